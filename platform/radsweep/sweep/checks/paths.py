"""Files and folders that an experiment names and every node must see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from radsweep.config.experiment import Experiment
from radsweep.config.paths import local_weights
from radsweep.config.trial import Trial
from radsweep.data import storage
from radsweep.data.shards.dataset import MANIFEST
from radsweep.sweep.design.possible_trials import possible_trials


def places_of(experiment: Experiment, shards: str | None = None) -> dict[str, tuple[str, str]]:
    """Collect the paths that all trials need: {path: (key of the experiment file, name in the file)}.

    Args:
        shards: folder of `data.shards`.
    """
    trials, sets = list(possible_trials(experiment)), experiment.evaluate.sets
    words_change = any(trial.reads_words for trial in trials)
    named = [(key, name) for trial in trials for key, name in _named(trial, words_change)]
    named += [("evaluate.public_models", name) for name in experiment.evaluate.public_models]
    data = [*((("data.shards", shards),) if shards else ()), *(("evaluate.sets", folder) for folder in sets)]
    found = {storage.inside(folder, MANIFEST): (key, folder) for key, folder in data}
    paths = [(key, local_weights(name), name) for key, name in reversed(named)]
    return found | {path: (key, name) for key, path, name in paths if Path(path).is_absolute()}


def _named(trial: Trial, words_change: bool) -> Iterator[tuple[str, str]]:
    model, evaluate = trial.model, trial.evaluate
    if model.pretrained is not None:
        yield "model.pretrained", model.pretrained
    yield "model.image.backbone", model.image.backbone
    yield "model.text.backbone", model.text.backbone
    if words_change:  # a search may join the words of one of these trials with the operations of another
        yield "augment.text.words", trial.augment.text.words
    if "zero_shot" in evaluate.tasks:
        yield "evaluate.zero_shot.prompts", evaluate.zero_shot.prompts
