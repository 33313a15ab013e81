"""Check that data sets support the folds and tasks of an experiment."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import numpy as np

from radsweep.config.evaluation import Evaluate
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.index import SplitIndex
from radsweep.data.shards.schema import Split
from radsweep.data.text.impressions import check_impressions, sections_of
from radsweep.errors import InputError, explaining
from radsweep.evaluation.class_retrieval import draw_class_pool
from radsweep.evaluation.prompts import load_prompts
from radsweep.evaluation.queries import file_name
from radsweep.sweep.design.planned_trials import folds_of
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.dataset import check_sizes
from radsweep.sweep.preparation.evaluation_sets import read_sets
from radsweep.sweep.preparation.prepare import Preparations

BY_LABELS = ("zero_shot", "linear_probe", "class_retrieval")


def check_folds(experiment: Experiment, preparations: Preparations) -> None:
    """Refuse more pairs than the training split of a fold has, which the manifest does not say.

    Raises:
        InputError: the error names the key.
    """
    if experiment.data.folds:
        trials = possible_trials(experiment)
        check_sizes(trials, lambda trial: len(preparations.shards_of(trial).splits["train"]))


def check_reports_and_labels(trials: Collection[Trial], shards: ShardIndex) -> None:
    """Refuse `impression_first` if reports do not show where their impression begins, and soft targets without labels.

    Args:
        trials: all of the sweep, as `possible_trials` gives them.

    Raises:
        InputError: the error says what to do.
    """
    if any(trial.model.text.truncation == "impression_first" for trial in trials):
        reports = itertools.chain.from_iterable(shards.reports.values())
        check_impressions(shards.manifest.name, list(reports), sections_of(shards.manifest.source))
    soft = [trial for trial in trials if trial.objective.contrast.softened_by == "labels"]
    if not soft:
        return
    trained = shards.splits.values() if soft[0].data.folds else [shards.splits["train"]]
    if not any(np.isfinite(index.labels_SC).any() for index in trained):
        raise InputError(
            f"labels: no pair of {shards.manifest.name} to train on has a label. Pack it with `--labels`, or set it to "
            "reports or hard",
            key="objective.contrast.targets.kind",
        )


def check_evaluation(experiment: Experiment, preparations: Preparations) -> None:
    """Refuse tasks that the data, any of its folds or a further set does not support. `data.source` must be decided.

    Raises:
        InputError: as `check_tasks`.
    """
    base = experiment.trial()
    streamed = base.data.source == "streamed"
    for values in folds_of(base):
        check_tasks(base.evaluate, preparations.shards_of(trial_with(base, values)), "test", streamed)


def check_tasks(evaluate: Evaluate, shards: ShardIndex, split: Split, streamed: bool) -> None:
    """Refuse tasks that would fail at the end of a trial.

    Args:
        split: split that is evaluated.

    Raises:
        InputError: the error names the key, the data set and what to do.
    """
    sets = read_sets(evaluate)
    names = [each.manifest.name for each in (shards, *sets)]
    if len(set(map(file_name, names))) < len(names):
        raise InputError(
            f"two of the data sets {', '.join(names)} have the same name; repack one of them with another --name",
            key="evaluate.sets",
        )
    asked = [task for task in BY_LABELS if task in evaluate.tasks]
    if evaluate.sets and not {"zero_shot", "linear_probe"} & set(asked):
        raise InputError(
            "only zero_shot and linear_probe use further sets; add one of these to evaluate.tasks", key="evaluate.sets"
        )
    if "linear_probe" in asked and streamed:
        raise InputError(
            "linear_probe reads all training images at the end of each trial, but they are streamed here; set "
            "data.source to cached, or leave linear_probe out",
            key="evaluate.tasks",
        )
    if "linear_probe" in asked and split != "test":
        raise InputError(
            "linear_probe selects on the validation split and can only be measured on the test split; leave it out",
            key="evaluate.tasks",
        )
    if asked:
        _check(evaluate, shards, split, asked)
    if by_set := [task for task in asked if task != "class_retrieval"]:
        for each in sets:
            _check(evaluate, each, "test", by_set)


def _check(evaluate: Evaluate, data: ShardIndex, split: Split, asked: Sequence[str]) -> None:
    name, labels = data.manifest.name, data.manifest.labels
    if not labels:
        raise InputError(
            f"{asked[0]} needs labels, but {name} has none; pack it with `--labels`, or leave the task out",
            key="evaluate.tasks",
        )
    with explaining(key="evaluate"):
        if "zero_shot" in asked:
            load_prompts(evaluate.zero_shot.prompts).by_label(labels)
            if not _has_both(data.splits[split]):
                raise InputError(f"no label of the {split} split of {name} has both positive and negative studies")
        fits = "linear_probe" in asked and all(map(len, data.splits.values()))
        if fits and not _has_both(data.splits["validation"]):
            raise InputError(f"no label of the validation split of {name} has both positive and negative studies")
        if "class_retrieval" in asked:
            index, settings = data.splits[split], evaluate.class_retrieval
            draw_class_pool(
                index.study_ids,
                index.patient_ids,
                index.labels_SC,
                labels,
                settings.classes,
                settings.per_class,
                settings.seed,
                data.splits["train"].patient_ids,
            )


def _has_both(index: SplitIndex) -> bool:
    return bool(((index.labels_SC == 1).any(0) & (index.labels_SC == 0).any(0)).any())
