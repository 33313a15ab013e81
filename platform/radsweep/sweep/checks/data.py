"""Check that data sets can serve the folds and tasks that an experiment asks for."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.config.evaluation import Evaluate
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.index import SplitIndex
from radsweep.data.shards.schema import Split
from radsweep.errors import InputError, explaining
from radsweep.evaluation.class_retrieval import draw_class_pool
from radsweep.evaluation.prompts import load_prompts
from radsweep.evaluation.queries import file_name
from radsweep.sweep.design.cells import folds_of
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.dataset import check_sizes
from radsweep.sweep.preparation.evaluation_sets import read_sets
from radsweep.sweep.preparation.prepare import Preparations

BY_LABELS = ("zero_shot", "linear_probe", "class_retrieval")


def check_folds(experiment: Experiment, preparations: Preparations) -> None:
    """Refuse more pairs than a fold's training split has, which the manifest could not tell.

    Raises:
        InputError: names the key.
    """
    if experiment.data.folds:
        trials = possible_trials(experiment)
        check_sizes(trials, lambda trial: len(preparations.shards_of(trial).splits["train"]))


def check_evaluation(experiment: Experiment, preparations: Preparations) -> None:
    """Refuse tasks that the data, any fold of them or a further set cannot serve; `data.source` is decided.

    Raises:
        InputError: as `check_tasks`.
    """
    base = experiment.trial()
    streamed = base.data.source == "streamed"
    for values in folds_of(base):
        check_tasks(base.evaluate, preparations.shards_of(trial_with(base, values)), "test", streamed)


def check_tasks(evaluate: Evaluate, shards: ShardIndex, split: Split, streamed: bool) -> None:
    """Refuse what could only fail at a trial's end.

    Args:
        split: the one that is measured.

    Raises:
        InputError: names the key, the data set and what to do.
    """
    sets = read_sets(evaluate)
    names = [each.manifest.name for each in (shards, *sets)]
    if len(set(map(file_name, names))) < len(names):
        raise InputError(f"two data sets have one name ({', '.join(names)}); pack one anew", key="evaluate.sets")
    asked = [task for task in BY_LABELS if task in evaluate.tasks]
    if evaluate.sets and not {"zero_shot", "linear_probe"} & set(asked):
        raise InputError("used by zero_shot and linear_probe; add one to evaluate.tasks", key="evaluate.sets")
    if "linear_probe" in asked and streamed:
        raise InputError(
            "linear_probe reads all training images again at each trial's end, and they are streamed here; set "
            "data.source to cached, or leave it out",
            key="evaluate.tasks",
        )
    if "linear_probe" in asked and split != "test":
        raise InputError("linear_probe chooses on validation and is measured on test alone", key="evaluate.tasks")
    if asked:
        _check(evaluate, shards, split, asked)
    if by_set := [task for task in asked if task != "class_retrieval"]:
        for each in sets:
            _check(evaluate, each, "test", by_set)


def _check(evaluate: Evaluate, data: ShardIndex, split: Split, asked: Sequence[str]) -> None:
    name, labels = data.manifest.name, data.manifest.labels
    if not labels:
        raise InputError(
            f"{asked[0]} needs labels, and {name} has none; pack it with `--labels`, or leave the task out",
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
