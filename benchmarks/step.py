"""Samples per second of a training step, compared with open_clip's loss and step.

Both sides have the same towers, batch, precision and optimiser: on a CPU the tiny towers on one thread, on a GPU a
ResNet-50 at 224 pixels and a BERT, in bf16. The sides take turns, and the ratio is the median over the turns.
open_clip's side is the body of its train_one_epoch and keeps PyTorch's dropout. Ours draws dropout by sample, and logs
each step.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import Figures, phantom, run, short_trial, tell
from open_clip.loss import ClipLoss  # type: ignore[import-untyped]
from torch import nn

from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.models.vlm import VisionLanguageModel, build_model
from radsweep.objectives.total import total_loss
from radsweep.objectives.views import Views
from radsweep.training.batches import Batch
from radsweep.training.context import RunContext
from radsweep.training.loop import start, train_epoch
from radsweep.training.optimiser import build_optimiser
from radsweep.training.precision import mixed_precision
from radsweep.training.trainer import TrialRecipe

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = {
    "model.image.backbone": "resnet50",
    "model.image.size": 224,
    "model.image.channels": 3,
    "model.dim": 512,
    "train.batch_size": 256,
}


class SameBatch(TrialRecipe):
    """Trial that repeats one batch."""

    batch: Batch
    steps: int

    def batches(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        for _ in range(self.steps):
            yield self.batch


def measure(folder: Path, quick: bool) -> Figures:
    turns, steps = (2, 2) if quick else (15, 5)
    torch.set_num_threads(1)
    on_gpu = DEVICE.type == "cuda" and not quick
    shards = read_index(phantom(folder, 256 if on_gpu else 64, quick))
    reports = zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True)
    trial = short_trial(
        shards.folder, {"train.until": "steps", "train.steps": 100_000} | (_gpu_towers(folder) if on_gpu else {})
    )
    tokenizer = train_tokenizer(reports, trial.model.text.vocabulary)
    data = prepare_in_process(shards, tokenizer, trial.model.image.size, trial.model.image.channels)
    recipe = SameBatch(trial, data, RunContext(device=DEVICE))
    training = start(recipe)
    recipe.batch, recipe.steps = next(recipe.source.epoch(0)), steps
    batch = recipe.batch
    other = build_model(trial, recipe.tokenizer.vocabulary).to(DEVICE).train()
    optimiser = build_optimiser(other, trial.train)
    loss = ClipLoss()
    difference = loss_difference(other, batch, loss)

    def ours() -> None:
        train_epoch(training)

    def theirs() -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            with mixed_precision(trial.train.precision, DEVICE):
                output = model_output(other, batch)
                total = sum(loss(**output, output_dict=True).values())
            total.backward()
            nn.utils.clip_grad_norm_(other.parameters(), trial.train.clip, norm_type=2.0)
            optimiser.step()
            with torch.no_grad():
                other.logit_scale.clamp_(0, math.log(100))

    tell(f"{turns} turns of {steps} steps on each side")
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for turn in range(turns + 1):
        for name, side in (("ours", ours), ("theirs", theirs)) if turn % 2 else (("theirs", theirs), ("ours", ours)):
            began = time.perf_counter()
            side()
            if on_gpu:
                torch.cuda.synchronize()
            if turn > 0:  # the first turn warms up
                taken[name].append((time.perf_counter() - began) / steps)
    pairs = list(zip(taken["ours"], taken["theirs"], strict=True))
    return {
        "samples_per_s": batch.studies / statistics.median(taken["ours"]),
        "open_clip_samples_per_s": batch.studies / statistics.median(taken["theirs"]),
        "ratio": statistics.median(theirs_s / ours_s for ours_s, theirs_s in pairs),
        "loss_difference": difference,
        "batch": batch.studies,
        "tokens": batch.texts[0].ids_BL.shape[1],
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
    }


def _gpu_towers(folder: Path) -> dict[str, Any]:
    """Settings with the architecture of BERT base and random weights, because the hub may not be reachable."""
    from transformers import BertConfig

    BertConfig().save_pretrained(folder / "bert")
    return ON_GPU | {"model.text.backbone": str(folder / "bert")}


def model_output(model: VisionLanguageModel, batch: Batch) -> dict[str, torch.Tensor]:
    """Return features in the form of open_clip's models."""
    return {
        "image_features": model.embed_images(batch.pixels_bCSS[0]).image_BD,
        "text_features": model.embed_texts(batch.texts[0].ids_BL, batch.texts[0].mask_BL).text_BD,
        "logit_scale": model.logit_scale.exp(),
    }


@torch.no_grad()
def loss_difference(model: VisionLanguageModel, batch: Batch, loss: nn.Module) -> float:
    """Difference of the two losses on the same features, without dropout; both have the same definition."""
    model.eval()
    output = model_output(model, batch)
    views = Views((output["image_features"],), (output["text_features"],), output["logit_scale"])
    ours, _ = total_loss(views, short_trial(Path("none"), {}).objective)
    model.train()
    return abs(float(ours) - float(loss(**output)))


if __name__ == "__main__":
    run(measure)
