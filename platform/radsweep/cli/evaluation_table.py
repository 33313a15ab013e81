"""The measurements of `radsweep evaluate` as a table."""

from __future__ import annotations

from pathlib import Path

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.models.pretrained_vlm import fitting_settings
from radsweep.models.vlm import VisionLanguageModel
from radsweep.training.checkpoint import STATE
from radsweep.training.saved_model import load_checkpoint, untrained_model


def load_target(target: str) -> tuple[VisionLanguageModel, Trial, str]:
    """The model, its trial and its tokenizer; a public model's trial is the default one with its settings.

    Args:
        target: as for `evaluate_model`.

    Raises:
        InputError: no checkpoint or model there.
    """
    if (Path(target) / STATE).exists():
        return load_checkpoint(Path(target))
    try:
        settings = fitting_settings(target)
    except InputError as error:
        line = str(error).removeprefix("model.from: ")
        raise InputError(
            f"{target}: neither the folder of a finished trial's checkpoint nor a whole model: {line}"
        ) from None
    trial = trial_with(Trial.model_validate({"data": {"shards": target}}), {"model": settings.model_dump()})
    tokenizer = trial.model.text.backbone
    return untrained_model(trial, tokenizer), trial, tokenizer
