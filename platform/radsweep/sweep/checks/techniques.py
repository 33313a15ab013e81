"""Check that what the trials of a design switch on changes something on their data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from radsweep.config.experiment import Experiment
from radsweep.config.stages import Fold, fold_of_trial
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.epochs import steps_of_epoch
from radsweep.data.loading.subsets import subset_size
from radsweep.data.text.sentences import sentence_starts
from radsweep.errors import InputError, joined
from radsweep.training.schedule import schedule_for


class _Facts(NamedTuple):
    """Facts about the training split of a fold."""

    studies: int
    one_image: bool  # no study has two
    one_sentence: bool  # no report has two


def check_techniques(experiment: Experiment, trials: Iterable[Trial], shards_of: Callable[[Trial], ShardIndex]) -> None:
    """Refuse techniques that do nothing on this data; those that never do are refused when the file is read.

    Suggestions of a search are not judged: a trial that changes nothing only costs its time there.

    Args:
        trials: all of the sweep, as `possible_trials` gives them.
        shards_of: returns the index of a trial's splits.

    Raises:
        InputError: names the key and the reason.
    """
    if experiment.search is not None:
        return
    facts: dict[Fold | None, _Facts] = {}
    problems: dict[str, InputError] = {}
    for trial in trials:
        fold = fold_of_trial(trial)
        if fold not in facts:
            facts[fold] = _facts(shards_of(trial))
        problems |= {str(problem): problem for problem in _problems(trial, facts[fold])}
    if problems:
        raise joined(problems.values())


def _facts(shards: ShardIndex) -> _Facts:
    index = shards.splits["train"]
    images_S = np.diff(index.first_image_S1)
    several = any(len(sentence_starts(report)) > 1 for report in shards.reports["train"])
    return _Facts(len(index), bool((images_S < 2).all()), not several)


def _problems(trial: Trial, facts: _Facts) -> Iterator[InputError]:
    objective, text = trial.objective, trial.augment.text
    if objective.views.image > 1 and facts.one_image and not trial.augment.image.changes_images:
        yield InputError(
            f"the {objective.views.image} views of a study would be the same, since each has one image and no image "
            "augmentation is on. Set augment.image.crop, or set it to 1",
            key="objective.views.image",
        )
    if text.changes_sentences and facts.one_sentence:
        yield InputError(
            f"{text.sentences} changes nothing, because every training report is one sentence. Set it to all",
            key="augment.text.sentences",
        )
    if "neighbours" in objective.terms:
        pairs = subset_size(facts.studies, trial.data.pairs, trial.data.fraction)
        bank, epoch = min(objective.neighbours.bank, pairs), steps_of_epoch(pairs, trial.train.batch_size)
        steps, filled = schedule_for(trial.train, epoch).ceiling, min(epoch, math.ceil(bank / trial.train.batch_size))
        if steps <= filled:
            yield InputError(
                f"the bank holds {bank:,} reports and is full after {filled:,} steps, but training ends after "
                f"{steps:,}, so that no neighbour is ever found. Lower it, or train longer",
                key="objective.neighbours.bank",
            )
