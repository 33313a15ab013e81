"""Trials and effects of a sweep as pandas frames, from the objects that the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from radsweep.report.analysis.convergence import unconverged
from radsweep.report.analysis.results import Group, Result, Results
from radsweep.report.tables.arm_cells import arm_cell
from radsweep.report.text import multipliers
from radsweep.store.records import CellRecord, SweepRecord
from radsweep.tracking.run_fields import role, varying

EFFECTS = (
    *("arm", "pairs", "metric", "difference", "low", "high", "p_value", "p_adjusted", "verdict", "mean", "baseline"),
    *("replicates", "converged", "multiplier", "multiplier_low", "multiplier_high"),
    *("multiplier_trusted", "why"),
)
NUMBERS = ("difference", "low", "high", "p_value", "p_adjusted", "mean", "baseline", *EFFECTS[13:16])
WHOLE = ("pairs", "fold", "steps", "replicates")
YES_OR_NO = ("converged", "multiplier_trusted")


def trials_frame(sweep: SweepRecord, records: Mapping[str, CellRecord]) -> pd.DataFrame:
    """One row for each planned trial; `Sweep.trials` describes the columns."""
    planned = [*sweep.tuning, *sorted(sweep.cells, key=lambda cell: cell.number), *sweep.references]
    trials = [Result(cell, records.get(cell.key)) for cell in planned]
    metrics = _ordered(record.best | record.final for trial in trials if (record := trial.record))
    place = ["number", "key", "role", "arm", "pairs", "subset_seed", "init_seed"]
    place += ["fold"] if any(cell.fold is not None for cell in planned) else []
    columns = [*place, *varying(sweep), "status", "convergence", "steps", "seconds", "error"]
    columns += (measured := [name for split in ("val/", "test/") for name in metrics if name.startswith(split)])
    return _typed(pd.DataFrame(map(_trial, trials), columns=columns), ["seconds", *measured])


def _trial(trial: Result) -> dict[str, Any]:
    planned, record = trial.planned, trial.record
    place = {name: getattr(planned, name) for name in ("number", "key", "arm", "pairs", "subset_seed", "init_seed")}
    place |= {"fold": planned.fold, "role": role(planned)}
    row = {**place, **planned.changes, **planned.tuned, "status": trial.status}
    if record is None:
        return row
    row |= {"convergence": record.convergence, "steps": record.steps, "error": record.error}
    return row | {"seconds": record.seconds.get("total"), **record.best, **record.final}


def effects_frame(results: Results) -> pd.DataFrame:
    """One row for each arm and size that the baseline has too; `Sweep.effects` describes the columns."""
    compared = results.groups if results.sweep.kind == "ablation" else ()
    rows = [row for group in compared if (row := _effect(results, group)) is not None]
    return _typed(pd.DataFrame(rows, columns=list(EFFECTS)), NUMBERS)


def _effect(results: Results, group: Group) -> dict[str, Any] | None:
    averages = results.comparison(group)
    baseline = results.group(results.sweep.baseline, group.size)
    cell = arm_cell(results, group)
    if averages is None or baseline is None or cell.comparison is None:
        return None
    found = cell.comparison
    row = {
        "arm": cell.arm,
        "pairs": cell.size,
        "metric": results.metric,
        "difference": found.difference,
        "verdict": found.verdict,
        "mean": averages.arm.mean,
        "baseline": averages.baseline.mean,
        "replicates": found.spread.n,
        "converged": not unconverged(results, (baseline, group), averages),
        "why": found.why,
    }
    if found.change:
        row |= {"low": found.change.low, "high": found.change.high}
        row |= {"p_value": found.change.p, "p_adjusted": found.change.p_adjusted}
    if cell.multiplier and found.verdict != "same run" and multipliers.says_something(cell.multiplier.found):
        times = cell.multiplier.found
        row |= {"multiplier": times.estimate, "multiplier_low": times.low, "multiplier_high": times.high}
        row |= {"multiplier_trusted": not cell.multiplier.doubt}
    return row


def _ordered(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names that any row has, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _typed(frame: pd.DataFrame, numbers: Iterable[str]) -> pd.DataFrame:
    """Convert to types that keep a missing value as missing."""
    whole, flags = (frame.columns.intersection(list(names)) for names in (WHOLE, YES_OR_NO))
    types = dict.fromkeys(whole, "Int64") | dict.fromkeys(flags, "boolean") | dict.fromkeys(numbers, "float64")
    return frame.astype(types)
