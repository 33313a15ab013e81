"""Metrics and tasks of a trial that rank by embeddings which its objective does not train."""

from __future__ import annotations

from collections.abc import Iterator

from radsweep.config.metrics import LOCAL, Metric
from radsweep.config.terms import PARTS, WHOLE, Embedding
from radsweep.config.trial import Trial
from radsweep.errors import InputError

BY_WHOLE = ("zero_shot", "class_retrieval")  # tasks that compare whole images with whole texts
NOUN = {"image": "images", "text": "reports"}


def untrained(trial: Trial) -> Iterator[InputError]:
    """Errors for a selection metric, and for tasks, that would stay at chance whatever the trial learns.

    An embedding may stay as it is if `model.pretrained` brought it and its tower is frozen, as the locked towers of LiT
    (Zhai et al. 2022); then the other one has to be trained.
    """
    select, objective = Metric(trial.evaluate.select), trial.objective
    terms = f"the objective ({' and '.join(objective.terms)})"
    whole, parts = _learns(trial, WHOLE), objective.trains >= PARTS
    if select.local and not parts:
        instead = f"val/{select.direction.removesuffix(LOCAL)}/{select.name}"
        yield InputError(
            f"ranks by image regions and words, but {terms} does not train both. Set objective.local.weight above 0, "
            f"or set it to {instead}",
            key="evaluate.select",
        )
    if select.local and whole:
        return
    what = _missing(trial)
    if not select.local and not whole:
        local = f", or set evaluate.select to val/{select.direction}{LOCAL}/{select.name}" if parts else ""
        yield InputError(
            f"ranks by embeddings of whole images and reports, but {terms} does not train those of {what}. Set "
            f"objective.contrast.weight above 0{local}",
            key="evaluate.select",
        )
    if not whole and (asked := [task for task in trial.evaluate.tasks if task in BY_WHOLE]):
        yield InputError(
            f"{asked[0]} compares embeddings of whole images and texts, but {terms} does not train those of {what}. "
            "Set objective.contrast.weight above 0, or leave the task out",
            key="evaluate.tasks",
        )


def _learns(trial: Trial, embeddings: frozenset[Embedding]) -> bool:
    trained = trial.objective.trains & embeddings
    return bool(trained) and trained | _kept(trial) >= embeddings


def _kept(trial: Trial) -> frozenset[Embedding]:
    """Embeddings that are aligned at the start, and that no term moves."""
    if trial.model.pretrained is None:
        return frozenset()
    frozen = {"image": trial.model.image.freeze, "text": trial.model.text.freeze}
    return frozenset(embedding for embedding in WHOLE if frozen[embedding.tower])


def _missing(trial: Trial) -> str:
    missing = WHOLE - trial.objective.trains
    towers = {embedding.tower for embedding in missing - _kept(trial) or missing}
    return " and ".join(noun for tower, noun in NOUN.items() if tower in towers)
