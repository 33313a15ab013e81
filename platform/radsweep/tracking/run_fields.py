"""Fields of the MLflow runs of sweeps and trials: names, params, tags and metrics, for comparison in the runs table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from radsweep.config import keys
from radsweep.config.trial import Trial
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord, Validation
from radsweep.tracking.entry import RunStatus, Step, allowed_name

# Okabe and Ito (2008), distinguishable to colour-blind readers; the first is the baseline's grey
_COLOURS = ("#7f7f7f", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_PLACES = {"data.pairs": "pairs", "data.seed": "subset_seed", "train.seed": "init_seed"}  # keys as params of their own
_TRIAL_STATUS: dict[str, RunStatus] = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED"}
_SWEEP_STATUS: dict[str, RunStatus] = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


def milliseconds(moment: str, otherwise: int) -> int:
    """Convert ISO 8601 to milliseconds since 1970; `otherwise` without a time."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000) if moment else otherwise


def varying(sweep: SweepRecord) -> list[str]:
    """Dotted keys that arms change or the search chooses, in the order of the experiment file's fields."""
    changed = {key for cell in (*sweep.cells, *sweep.tuning) for key in (*cell.changes, *cell.tuned)}
    changed |= set(sweep.space)
    return [key for key in keys.leaf_keys(Trial) if key in changed and key not in _PLACES]


def places(sweep: SweepRecord) -> list[str]:
    """Params that give a trial's place in the design: those that distinguish trials of this sweep."""
    fold = ["fold"] if any(cell.fold is not None for cell in sweep.cells) else []
    if not arms(sweep):
        return [name for key, name in _PLACES.items() if key in sweep.space] + fold
    return ["arm", "pairs", "subset_seed", *(["init_seed"] if _several_starts(sweep) else []), *fold]


def _several_starts(sweep: SweepRecord) -> bool:
    """Return True if a subset is trained on from more than one start."""
    starts = {(cell.subset_seed, cell.init_seed) for cell in sweep.cells}
    return len(starts) > len({subset for subset, _ in starts})


def arms(sweep: SweepRecord) -> list[str]:
    """Names of the arms, the baseline first; empty for a search."""
    names = dict.fromkeys(cell.arm for cell in (*sweep.tuning, *sweep.cells) if cell.arm)
    return sorted(names, key=lambda arm: arm != sweep.baseline)


@dataclass(frozen=True, eq=False)
class Design:
    """A sweep with facts that depend on all its cells: computed once, not for each of 10,000 cells."""

    sweep: SweepRecord
    arms: list[str]
    varying: list[str]
    several_starts: bool

    @classmethod
    def of(cls, sweep: SweepRecord) -> Design:
        return cls(sweep, arms(sweep), varying(sweep), _several_starts(sweep))


def trial_name(design: Design, cell: PlannedCell) -> str:
    if cell.stage:
        return cell.stage if cell.stage.endswith("features") else f"adapt {cell.stage}"
    if cell.reference:
        return f"reference {cell.arm}"
    fold = "" if cell.fold is None else f" / fold {cell.fold}"
    if cell.tuning is not None:
        replicate = "" if cell.tuning_replicate is None else f" / replicate {cell.tuning_replicate + 1}"
        return f"tune {cell.arm} / {cell.pairs or 'all'} pairs{replicate} / point {cell.tuning}"
    if not cell.arm:
        return f"trial {cell.number}{fold}"
    seed = f"{cell.subset_seed}.{cell.init_seed}" if design.several_starts else f"{cell.subset_seed}"
    return f"{cell.arm} / {cell.pairs or 'all'} pairs / seed {seed}{fold}"


def trial_params(design: Design, cell: PlannedCell, trial: Mapping[str, Any]) -> dict[str, str]:
    """Params that differ between trials; all params of an adaptation stage. `trial` is nested."""
    if cell.stage:
        return {"stage": cell.stage} | {key: _text(value) for key, value in keys.flat(trial).items()}
    place = {"arm": cell.arm} if cell.arm else {}
    if cell.reference:
        return place
    place |= {"pairs": str(cell.pairs or "all")}
    place |= {"subset_seed": str(cell.subset_seed), "init_seed": str(cell.init_seed)}
    place |= {} if cell.fold is None else {"fold": str(cell.fold)}
    place |= {} if cell.tuning is None else {"point": str(cell.tuning)}
    place |= {} if cell.tuning_replicate is None else {"tuned_replicate": str(cell.tuning_replicate + 1)}
    place |= {"trials_behind": str(cell.tuning_trials)} if cell.tuning_trials else {}
    return place | {key: _text(keys.get(trial, key)) for key in design.varying}


def sweep_params(sweep: SweepRecord) -> dict[str, str]:
    """The base trial, flat: what all trials have in common unless their own params say otherwise."""
    return {key: _text(keys.get(sweep.experiment, key)) for key in keys.leaf_keys(Trial)}


def role(cell: PlannedCell) -> str:
    """Role of the run; `tuning` runs are not results."""
    if cell.stage or cell.reference:
        return "stage" if cell.stage else "reference"
    return "trial" if cell.tuning is None else "tuning"


def trial_tags(design: Design, cell: PlannedCell) -> dict[str, str]:
    names = design.arms
    colour = _COLOURS[(names.index(cell.arm) if cell.arm in names else cell.number) % len(_COLOURS)]
    return _common_tags(design.sweep) | {
        "radsweep.role": role(cell),
        "arm": cell.arm,
        "pairs": str(cell.pairs or "all"),
        "seed": f"{cell.subset_seed}.{cell.init_seed}",
        "radsweep.status": "running",
        "mlflow.runColor": colour,
    }


def ended_tags(sweep: SweepRecord, record: CellRecord) -> dict[str, str]:
    reused = record.sweep if record.sweep != sweep.id else ""
    tags = {
        "radsweep.reused_from": reused,  # the sweep that ran it; empty if it is this one
        "radsweep.status": record.status,
        "radsweep.convergence": record.convergence,
        "radsweep.device": record.device,
        "radsweep.workers": str(record.workers),
        "radsweep.data": record.data,
        "radsweep.code": record.code,
        "radsweep.subset": record.subset_sha256,
        "radsweep.error": record.error or "",
        "radsweep.notes": "\n".join(record.notes),
    }
    return tags | {f"radsweep.version.{name}": version for name, version in record.versions.items()}


def ended_status(record: CellRecord) -> RunStatus:
    """MLflow status; a trial stopped early is FINISHED too, and the tag radsweep.status distinguishes it."""
    return _TRIAL_STATUS[record.status]


def sweep_tags(sweep: SweepRecord) -> dict[str, str]:
    tags = {
        "radsweep.role": "sweep",
        "radsweep.kind": sweep.kind,
        "radsweep.status": sweep.status,
        "radsweep.select": sweep.select,
    }
    if sweep.tuning:
        each = all(cell.tuning_replicate is not None for cell in sweep.tuning)
        tags |= {"radsweep.tuned": "each_replicate" if each else "once"}
    tags |= {f"radsweep.version.{name}": version for name, version in sweep.versions.items()}
    return _common_tags(sweep) | tags | {"radsweep.notes": "\n".join(sweep.notes), "mlflow.note.content": note(sweep)}


def selection_tags(sweep: SweepRecord, best: PlannedCell | None, candidate: PlannedCell | None) -> dict[str, str]:
    """The trials behind best.yaml and candidate.yaml; "none" replaces what an earlier part of the sweep had."""
    design = Design.of(sweep)
    named = {"radsweep.best": best, "radsweep.candidate": candidate}
    return {tag: trial_name(design, cell) if cell else "none" for tag, cell in named.items()}


def sweep_status(sweep: SweepRecord) -> RunStatus:
    return _SWEEP_STATUS[sweep.status]


def validation_step(validation: Validation, time: int) -> Step:
    metrics = {allowed_name(name): value for name, value in validation.metrics.items()}
    return Step(step=validation.step, time=time, metrics={"epoch": validation.epoch, **metrics})


def history(record: CellRecord, otherwise: int) -> tuple[Step, ...]:
    started = milliseconds(record.started, otherwise)
    return tuple(validation_step(look, started + round(1000 * look.seconds)) for look in record.history)


def summary(record: CellRecord, otherwise: int) -> tuple[Step, ...]:
    """best/ and final/ at the selected checkpoint's step, unless it failed; the rest at the last step."""
    time = milliseconds(record.ended, otherwise)
    chosen = {} if record.status == "failed" else _chosen(record)
    last: dict[str, float] = {f"seconds/{part}": value for part, value in record.seconds.items()}
    last |= {"epochs": record.epochs, "steps": record.steps, "trained_pairs": record.pairs}
    last |= {"converged": float(record.converged)}
    steps = ((record.best_step, chosen), (record.steps, last))
    return tuple(
        Step(step=step, time=time, metrics={allowed_name(name): value for name, value in metrics.items()})
        for step, metrics in steps
        if metrics
    )


def _chosen(record: CellRecord) -> dict[str, float]:
    best = {f"best/{name.removeprefix('val/')}": value for name, value in record.best.items()}
    return best | {f"final/{name.removeprefix('test/')}": value for name, value in record.final.items()}


def selected(sweep: SweepRecord) -> str:
    """The metric to compare by: the best validation value of evaluate.select."""
    return f"best/{sweep.select.removeprefix('val/')}"


def note(sweep: SweepRecord) -> str:
    """Markdown shown on the page of the sweep's run and of its experiment."""
    names = arms(sweep)
    question = (
        f"Compares {len(names)} arms ({', '.join(names)}) on the same subsets and starts."
        if names
        else f"Varies {', '.join(f'`{key}`' for key in varying(sweep)) or 'nothing'}."
    )
    views = "*Trials*, one row each" + ("; *Arms*, the mean over seeds by arm and pairs" if names else "")
    return (
        f"**{sweep.name}** ({sweep.kind}). {question}\n\n"
        f"Compare trials by `{selected(sweep)}` (best validation value); `final/...` is the test split, read once. "
        f"Saved views (top right): {views}. "
        "`converged` is 1 if the metric had stopped rising; the tag `radsweep.convergence` says more. "
        "Means and intervals are in the report among the artifacts of the sweep's run."
    )


def _common_tags(sweep: SweepRecord) -> dict[str, str]:
    return {
        "radsweep.data": str(sweep.data.get("fingerprint", "")),
        "radsweep.code": sweep.code,
        "mlflow.source.name": f"radsweep {'train' if sweep.kind == 'train' else 'sweep'}",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": sweep.git_commit,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
