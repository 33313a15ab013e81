"""Records and results of queries of one sweep, as the product would have stored them, from a draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from claims_referee.draws import Draw
from claims_referee.metrics import CANDIDATES
from claims_referee.scenario import Scenario
from radsweep.config.load import parse_experiment, trial_with
from radsweep.evaluation.queries import QueryResults
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

TUNED, TUNING = "train.weight_decay", 8  # the key and the trials of a tuning
Sweep = tuple[SweepRecord, dict[str, CellRecord], dict[str, QueryResults]]


@dataclass(frozen=True)
class Place:
    """Indices of a cell in a draw."""

    size: int
    arm: int
    replicate: int
    fold: int | None


def fabricate(scenario: Scenario, draw: Draw, seeds: int) -> Sweep:
    """The sweep with the first `seeds` replicates of a draw."""
    sweep, places, trials = _design(scenario, seeds)
    failed = _failed(scenario, draw)
    withheld = (0, 1, 0) if scenario.withheld else None  # a cell of the first arm
    names = _names(draw)
    cells, queries = {}, {}
    for cell, place in zip(sweep.cells, places, strict=True):
        at = place.size, place.arm, place.replicate
        settings: dict[str, Any] = {
            "key": cell.key, "trial": trials[place.arm, place.size], "status": "finished", "pairs": cell.pairs,
            "subset_sha256": f"{0 if scenario.share == 1 else place.replicate:064x}", "convergence": "converged",
            "steps": 1000, "epochs": 50, "seconds": {"total": 30.0}, "best_step": 900,
            "pool": {f"{split}/{of}": CANDIDATES for split in ("val", "test") for of in ("queries", "candidates")},
        }  # fmt: skip
        if scenario.unfinished and place.size == len(scenario.sizes) - 1 and place.arm != 1:
            continue
        if place.arm == 1 and place.replicate in failed:
            cells[cell.key] = CellRecord(**settings | {"status": "failed", "error": "the loss is not finite"})
            continue
        settings["best"] = {f"val/{scenario.selects}": float(draw.validation_SAR[at])}
        if at != withheld:
            inside = slice(None) if place.fold is None else np.flatnonzero(draw.fold_Q == place.fold)
            found = queries[cell.key] = _results(draw, at, inside, names)
            settings["pool"] = settings["pool"] | {"test/queries": len(found.study_ids)}
            settings["final"] = _final(scenario, draw, at, found, place.fold)
        cells[cell.key] = CellRecord(**settings)
    return sweep, cells, queries


def leader(scenario: Scenario, draw: Draw, seeds: int) -> int:
    """The arm that leads on the validation split at the largest size, the baseline aside."""
    means = draw.validation_SAR[-1, 1:, :seeds].mean(-1)
    return 1 + int(means.argmin() if scenario.metric in ("mean_rank", "median_rank") else means.argmax())


def arm_name(arm: int) -> str:
    return "baseline" if not arm else f"arm {arm}"


@lru_cache(maxsize=16)
def _design(scenario: Scenario, seeds: int) -> tuple[SweepRecord, list[Place], dict[tuple[int, int], Any]]:
    """The plan, the place of each cell, and the trials by arm and size."""
    changes = {arm_name(arm): {"objective.local.weight": arm / 100} if arm else {} for arm in range(scenario.arms)}
    ablation: dict[str, Any] = {"arms": changes, "seeds": seeds, "pairs": list(scenario.sizes)}
    if scenario.margin is not None:
        ablation["equivalence_margin"] = scenario.margin
    if scenario.tuned:
        repeat = "once" if scenario.tuned == "once" else "each_replicate"
        ablation["tune"] = {"trials": TUNING, "repeat": repeat, "space": {TUNED: {"uniform": [0, 1]}}}
    data = {"shards": "phantom:standard"} | ({"folds": scenario.folds} if scenario.folds else {})
    experiment = parse_experiment({"experiment": "referee", "data": data, "ablation": ablation}, "referee")
    cells, places, trials = [], [], {}
    for size, pairs in enumerate(scenario.sizes):
        for replicate in range(seeds):
            for arm, (name, changed) in enumerate(changes.items()):
                trial = trial_with(experiment.trial(), changed | {"data.pairs": pairs})
                trials[arm, size] = trial.model_dump(mode="json")
                for fold in range(scenario.folds) if scenario.folds else (None,):
                    settings: dict[str, Any] = {
                        "pairs": pairs,
                        "subset_seed": replicate,
                        "init_seed": replicate,
                        "fold": fold,
                    }
                    key = f"{name}-{pairs}-{replicate}-{fold}"
                    if scenario.tuned:
                        part = (size + arm / 100 + (replicate / 1000 if scenario.tuned == "each" else 0)) / 10
                        of = None if scenario.tuned == "once" else replicate
                        settings |= {"tuned": {TUNED: part}, "tuning_trials": TUNING, "tuning_replicate": of}
                    cells.append(PlannedCell(key=key, arm=name, changes=changed, number=len(cells), **settings))
                    places.append(Place(size, arm, replicate, fold))
    pool = round(max(scenario.sizes) / scenario.share)
    counts = {"train": pool, "validation": 200, "test": scenario.patients}
    sweep = SweepRecord(
        id="0001", name="referee", kind="ablation", experiment=experiment.model_dump(mode="json"),
        select=f"val/{scenario.selects}", cells=tuple(cells), baseline="baseline",
        status="running" if scenario.unfinished else "finished",
        data={"name": "made up", "fingerprint": "f" * 64, "studies": {"pairs": counts}, "patients": {"pairs": counts}},
    )  # fmt: skip
    return sweep, places, trials


def _failed(scenario: Scenario, draw: Draw) -> set[int]:
    """Replicates of the first arm with the worst validation results."""
    order = np.argsort(draw.validation_SAR[-1, 1])
    return {int(replicate) for replicate in order[: scenario.failed]}


def _names(draw: Draw) -> tuple[tuple[str, ...], tuple[str, ...]]:
    studies = tuple(f"s{number}" for number in range(len(draw.patient_Q)))
    return studies, tuple(f"p{number}" for number in draw.patient_Q)


def _results(draw: Draw, at: tuple[int, int, int], inside: Any, names: Any) -> QueryResults:
    studies, patients = names
    if not isinstance(inside, slice):
        studies, patients = (tuple(of[i] for i in inside) for of in names)
    rank_Q = draw.rank_SARQ[at][inside]
    others_Q = np.full(len(rank_Q), CANDIDATES - 1.0)
    ranks, others = {"text_to_image": rank_Q}, {"text_to_image": others_Q}
    if draw.score_SARQ is None or draw.label_Q is None:
        return QueryResults(studies, patients, ranks, others)
    scores = {"zero_shot": {"finding": draw.score_SARQ[at]}}
    return QueryResults(studies, patients, ranks, others, scores, {"finding": draw.label_Q})


def _final(
    scenario: Scenario, draw: Draw, at: tuple[int, int, int], found: QueryResults, fold: int | None
) -> dict[str, float]:
    """The metrics of a cell as its trial recorded them."""
    final = {f"test/{scenario.full_metric}": float(draw.value_SAR[at])}
    values = found.values(scenario.selects)
    if values is not None and (fold is not None or scenario.metric == "auroc"):
        final[f"test/{scenario.selects}"] = float(values.mean())
    return final
