"""Merge several sweeps into one, so that one report compares their arms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from radsweep.config import keys
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.store.records import PlannedCell, SweepRecord

# settings that say where an arm is measured and where its data is stored; they do not define it
_PLACE = {"data.shards", "data.pairs", "data.seed", "train.seed", "data.fold"}
_IDENTITY = [key for key in keys.leaf_keys(Trial) if key not in _PLACE]

Slice = tuple[int | None, int, int, int | None]  # size, subset seed, init seed, fold


@dataclass(eq=False)
class _Arm:
    name: str
    sweep: SweepRecord
    settings: dict[str, Any]  # dotted key -> value, of the whole trial
    cells: dict[Slice, PlannedCell] = field(default_factory=dict)

    def is_also(self, other: _Arm) -> bool:
        """True if the other is the same configuration, run by the same code, with equal cells where both were run."""
        shared = self.cells.keys() & other.cells.keys()
        agree = all(self.cells[place].key == other.cells[place].key for place in shared)
        return agree and self.sweep.code == other.sweep.code and self.settings == other.settings


def merge(sweeps: Sequence[SweepRecord]) -> SweepRecord:
    """Merge sweeps into one ablation with the arms of all; the baseline is that of the first.

    If an earlier sweep has the same arm, under any name, the cells are added to that arm, and a cell that both have
    counts once. Different arms with the same name are renamed to `sweep: arm`.

    Raises:
        InputError: data sets, folds or metrics differ, a sweep is a search, or a sweep is given twice.
    """
    _check(sweeps)
    base = _settings(sweeps[0])
    arms: list[_Arm] = []
    for sweep in sweeps:
        earlier = list(arms)
        for arm in _arms(sweep):
            duplicates = sorted((other for other in earlier if other.is_also(arm)), key=lambda o: o.name != arm.name)
            if duplicates:
                duplicates[0].cells = arm.cells | duplicates[0].cells
                earlier.remove(duplicates[0])  # two arms of one sweep stay two
            else:
                arms.append(arm)
    labels = dict(zip((sweep.id for sweep in sweeps), _labels(sweeps), strict=True))
    names = Counter(arm.name for arm in arms)
    cells: list[PlannedCell] = []
    changes: dict[str, dict[str, Any]] = {}
    baseline = ""
    for arm in arms:
        name = arm.name if names[arm.name] == 1 else f"{labels[arm.sweep.id]}: {arm.name}"
        changes[name] = {key: value for key, value in arm.settings.items() if value != base[key]}
        if arm.sweep is sweeps[0] and arm.name == (arm.sweep.baseline or arm.sweep.name):
            baseline = name
        for cell in arm.cells.values():
            cells.append(cell.model_copy(update={"arm": name, "changes": changes[name], "number": len(cells)}))
    return sweeps[0].model_copy(
        update={
            "id": "+".join(labels),
            "name": " and ".join(labels.values()),
            "kind": "ablation",
            "experiment": _experiment(sweeps, changes, cells),
            "cells": tuple(cells),
            "stages": tuple({stage.key: stage for sweep in sweeps for stage in sweep.stages}.values()),
            "references": tuple({model.key: model for sweep in sweeps for model in sweep.references}.values()),
            "baseline": baseline,
            "status": next((s.status for s in sorted(sweeps, key=_unrest) if s.status != "finished"), "finished"),
            "code": _joined(sweep.code for sweep in sweeps),
            "git_commit": _joined(sweep.git_commit for sweep in sweeps),
            "versions": {
                name: _joined(sweep.versions.get(name, "") for sweep in sweeps)
                for name in dict.fromkeys(name for sweep in sweeps for name in sweep.versions)
            },
            "cost": _cost(sweeps),
            "notes": (*_mixture(sweeps, labels), *(f"{labels[s.id]}: {note}" for s in sweeps for note in s.notes)),
            "created": min(sweep.created for sweep in sweeps),
            "ended": max(sweep.ended for sweep in sweeps) if all(sweep.ended for sweep in sweeps) else "",
        }
    )


def _check(sweeps: Sequence[SweepRecord]) -> None:
    for given, times in Counter(sweep.id for sweep in sweeps).items():
        if times > 1:
            raise InputError(f"{given} is given {times} times; a comparison needs different sweeps")
    for sweep in sweeps:
        if sweep.kind == "search":
            raise InputError(
                f"{sweep.id} is a search, which has no arms; run its best.yaml with `radsweep train` and compare that"
            )
    first = sweeps[0]
    for sweep in sweeps[1:]:
        if sweep.data.get("fingerprint") != first.data.get("fingerprint"):
            raise InputError(
                f"{first.id} and {sweep.id} ran on different data sets ({_data(first)} and {_data(sweep)}), so "
                "their numbers cannot be compared"
            )
        if sweep.select != first.select:
            raise InputError(
                f"{first.id} and {sweep.id} selected by different metrics (evaluate.select is {first.select} and "
                f"{sweep.select}), so their numbers cannot be compared"
            )
        folds = [keys.get(of.experiment, "data.folds") for of in (first, sweep)]
        if folds[0] != folds[1]:
            shown = [f"{n} folds" if n else "no folds" for n in folds]
            raise InputError(
                f"{first.id} and {sweep.id} were tested on different studies ({shown[0]} and {shown[1]}), so their "
                "numbers cannot be compared; run one of them with the data.folds of the other"
            )


def _data(sweep: SweepRecord) -> str:
    return f"{sweep.data.get('name', 'unnamed')}, fingerprint {str(sweep.data.get('fingerprint', 'unknown'))[:12]}"


def _settings(sweep: SweepRecord) -> dict[str, Any]:
    return {key: keys.get(sweep.experiment, key) for key in _IDENTITY}


def _arms(sweep: SweepRecord) -> Iterable[_Arm]:
    """List arms in the order of the plan; a single trial is an arm with its experiment's name."""
    base = _settings(sweep)
    arms: dict[str, _Arm] = {}
    for cell in sweep.cells:
        name = cell.arm or sweep.name
        if name not in arms:
            changed = {key: value for key, value in keys.flat(cell.changes).items() if key in base}
            arms[name] = _Arm(name, sweep, base | changed)
        arms[name].cells[cell.pairs, cell.subset_seed, cell.init_seed, cell.fold] = cell
    return arms.values()


def _labels(sweeps: Sequence[SweepRecord]) -> list[str]:
    """Return the names of sweeps if they are distinct, else their ids."""
    names = Counter(sweep.name for sweep in sweeps)
    return [sweep.name if names[sweep.name] == 1 else sweep.id for sweep in sweeps]


def _experiment(
    sweeps: Sequence[SweepRecord], changes: dict[str, dict[str, Any]], cells: Sequence[PlannedCell]
) -> dict[str, Any]:
    """Build one experiment: the base trial of the first sweep, with all arms as changes to it."""
    ablation: dict[str, Any] = {"arms": changes}
    if sizes := sorted({cell.pairs for cell in cells if cell.pairs is not None}):
        ablation["pairs"] = sizes
    first = sweeps[0].ablation
    ablation["seeds"] = first.seeds.model_dump() if first else {"subset": len({cell.subset_seed for cell in cells})}
    return sweeps[0].experiment | {"ablation": ablation}


def _unrest(sweep: SweepRecord) -> int:
    return ("running", "interrupted", "failed", "finished").index(sweep.status)


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def _cost(sweeps: Sequence[SweepRecord]) -> dict[str, float]:
    parts: defaultdict[str, list[float]] = defaultdict(list)
    for sweep in sweeps:
        for part, value in sweep.cost.items():
            parts[part].append(value)
    return {part: max(values) if part == "slots" else sum(values) for part, values in parts.items()}


def _mixture(sweeps: Sequence[SweepRecord], labels: dict[str, str]) -> Iterable[str]:
    """Notes for a reader of a table that combines several sweeps."""
    yield f"This report combines {len(sweeps)} sweeps, {', '.join(labels)}; its arms were not planned together."
    first = _settings(sweeps[0])
    for sweep in sweeps[1:]:
        differs = [key for key, value in _settings(sweep).items() if value != first[key]]
        if differs:
            yield (
                f"The base trials of {labels[sweeps[0].id]} and {labels[sweep.id]} differ in {', '.join(differs)}, "
                "which contributes to any difference between an arm of one and an arm of the other."
            )
