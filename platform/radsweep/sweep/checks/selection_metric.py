"""Check that the metric which selects can distinguish models on the studies that it is measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from radsweep.config.experiment import Experiment
from radsweep.config.metrics import Metric
from radsweep.config.stages import fold_of_trial
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.validation_part import validation_rows
from radsweep.errors import InputError
from radsweep.evaluation.chance import NOTICEABLE, USELESS, chance, guessed

MOST_FOLDS = 5  # that are proposed


class _Pool(NamedTuple):
    """Studies that queries are ranked among."""

    split: str
    text_group_S: np.ndarray

    def guessed(self, metric: Metric) -> float:
        return guessed(metric.full_name, self.text_group_S)

    @property
    def name(self) -> str:
        pairs, reports = len(self.text_group_S), len(np.unique(self.text_group_S))
        return f"{pairs:,} {self.split} pairs" + (f" (different reports: {reports:,})" if reports < pairs else "")


def check_selection(
    experiment: Experiment, trials: Iterable[Trial], shards_of: Callable[[Trial], ShardIndex]
) -> list[str]:
    """Refuse a selection metric that is mostly chance on the validation pairs that select, or on the test pairs.

    Args:
        trials: all of the sweep, as `possible_trials` gives them.
        shards_of: returns the index of a trial's splits.

    Returns:
        What to know before the start: noticeable chance, and the time of the local score.

    Raises:
        InputError: names the key, how far chance goes, and what to do.
    """
    select = Metric(experiment.evaluate.select)
    # the pools of a search do not depend on what it suggests
    pools = list(_pools([experiment.trial()] if experiment.search else trials, shards_of))
    notes = []
    for split in ("validation", "test"):
        worst = max((pool for pool in pools if pool.split == split), key=lambda pool: pool.guessed(select))
        part = worst.guessed(select)
        by = (select if _is_recall(select) else _finest(select)).name
        reached = f"on {worst.name}, random embeddings reach {100 * part:.0f} % of what a perfect model would by {by}"
        if part > USELESS:
            total = sum(map(len, shards_of(experiment.trial()).splits.values()))
            ways = ", or ".join(_ways_out(experiment, pools, worst, total))
            raise InputError(f"{reached}, so that it can hardly distinguish models. {ways}", key="evaluate.select")
        if part > NOTICEABLE:
            notes.append(f"{reached}.")
    if notes and _is_recall(select):
        finer = max(pool.guessed(_finest(select)) for pool in pools)
        notes.append(f"By {_finest(select).name} it is {100 * finer:.0f} % at most; see evaluate.select.")
    if select.local:
        most = max(len(pool.text_group_S) for pool in pools if pool.split == "validation")
        notes.append(
            f"Each validation compares all regions and words of {most:,} pairs, which takes minutes for hundreds of "
            "pairs without a GPU; data.validation_pairs limits them."
        )
    return [note[0].upper() + note[1:] for note in notes]


def _pools(trials: Iterable[Trial], shards_of: Callable[[Trial], ShardIndex]) -> Iterator[_Pool]:
    """Yield the pools of every fold, and of every size of the part of the validation split that selects."""
    seen: set[object] = set()
    for trial in trials:
        data = trial.data
        place = fold_of_trial(trial), (data.pairs, data.fraction) if data.validation_ratio else None
        if place in seen:
            continue
        seen.add(place)
        splits = shards_of(trial).splits
        try:
            rows = validation_rows(data, splits["train"], splits["validation"])
        except ValueError as error:
            raise InputError(str(error), key="data.validation_pairs") from None
        yield _Pool("validation", splits["validation"].report_group_S[rows])
        yield _Pool("test", splits["test"].report_group_S)


def _finest(select: Metric) -> Metric:
    """Return the metric of the same direction that resolves most on few pairs, of those that reward the first ranks."""
    return Metric(f"val/{select.direction}/mean_reciprocal_rank")


def _ways_out(experiment: Experiment, pools: list[_Pool], worst: _Pool, total: int) -> list[str]:
    """Return what would help, or else what the data lacks.

    Args:
        total: pairs of all splits.
    """
    select, data, ablation = Metric(experiment.evaluate.select), experiment.data, experiment.ablation
    found = []
    if _is_recall(select):
        if (part := max(pool.guessed(_finest(select)) for pool in pools)) <= USELESS:
            found.append(f"Set evaluate.select to {_finest(select)} ({100 * part:.0f} %)")
        could_fold = data.folds is None and experiment.search is None and not (ablation and ablation.tune)
        for folds in range(MOST_FOLDS, 2, -1) if could_fold else ():
            if (part := chance(select.name, total // folds)) <= USELESS:
                which = f"with which all {total:,} pairs are test queries"
                found.append(f"set data.folds to {folds} ({100 * part:.0f} %), {which}")
                break
    if data.limits_validation and worst.split == "validation":
        found.append("select on more pairs: raise data.validation_pairs or data.validation_ratio")
    if data.folds is not None and data.folds > 3:
        found.append("lower data.folds")
    return found or [f"Pack a data set with more {worst.split} pairs"]


def _is_recall(metric: Metric) -> bool:
    return metric.name.startswith("recall_at_")
