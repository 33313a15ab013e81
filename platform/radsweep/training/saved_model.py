"""A finished trial's checkpoint, and its numbers on a split it has not seen."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.shards.schema import Split
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.data.text.truncation import cut_notes
from radsweep.errors import InputError
from radsweep.evaluation.task_results import Measured
from radsweep.models.pretrained_vlm import fitting_settings
from radsweep.models.vlm import VisionLanguageModel, build_model
from radsweep.training import checkpoint
from radsweep.training.embedder import Embedder
from radsweep.training.evaluate_tasks import measure
from radsweep.training.precision import mixed_precision


def load_checkpoint(folder: Path) -> tuple[VisionLanguageModel, Trial, str]:
    """The model, its trial, and its tokenizer.

    Raises:
        InputError: no checkpoint there, or one whose settings this version does not know.
    """
    found = checkpoint.read_folder(folder)
    if found is None:
        raise InputError(f"{folder}: no checkpoint there; give a folder with {checkpoint.WEIGHTS} and state.json")
    tensors, state = found
    if "trial" not in state:
        raise InputError(f"{folder}: a trial still under way, not a finished one; give its `checkpoint` folder")
    try:
        trial = Trial.model_validate(state["trial"])
    except ValidationError:
        raise InputError(f"{folder}: the checkpoint is from another version of radsweep; train it again") from None
    model = build_model(trial, load_tokenizer(state["tokenizer"]).vocabulary, load=False)
    model.load_state_dict(tensors[checkpoint.WEIGHTS])
    return model.eval(), trial, state["tokenizer"]


def trained_on(folder: Path) -> str:
    """Fingerprint of the data set behind a checkpoint that is there."""
    found = checkpoint.read_folder(folder)
    return str(found[1].get("data", "")) if found else ""


def untrained_model(trial: Trial, tokenizer: str) -> VisionLanguageModel:
    """The model that a trial starts from, as it is."""
    return build_model(trial, load_tokenizer(tokenizer).vocabulary).eval()


def measured_of(
    model: VisionLanguageModel, trial: Trial, data: PreparedData, split: Split, device: torch.device
) -> Measured:
    """Measure `evaluate.tasks` of the trial on one split."""
    torch.set_num_threads(trial.train.threads)
    model.to(device)
    tokenizer = load_tokenizer(data.tokenizer)
    embedder = Embedder.of(trial, model, tokenizer, device)
    with mixed_precision(trial.train.precision, device):
        measured = measure(embedder, data, split, trial)
    measured.notes[:0] = cut_notes(trial.model.text, tokenizer.special, [part.reports for part in data.splits.values()])
    return measured


def load_target(target: str) -> tuple[VisionLanguageModel, Trial, str]:
    """The model, its trial and its tokenizer; a public model's trial is the default one with its settings.

    Args:
        target: folder of a checkpoint, or hub id or local folder of a whole model.

    Raises:
        InputError: no checkpoint or model there.
    """
    if (Path(target) / checkpoint.STATE).exists():
        return load_checkpoint(Path(target))
    try:
        settings = fitting_settings(target)
    except InputError as error:
        raise InputError(
            f"{target}: neither the folder of a finished trial's checkpoint nor a whole model: {error.message}"
        ) from None
    trial = trial_with(Trial.model_validate({"data": {"shards": target}}), {"model": settings.model_dump()})
    tokenizer = trial.model.text.backbone
    return untrained_model(trial, tokenizer), trial, tokenizer
