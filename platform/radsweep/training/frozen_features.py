"""Features of a frozen tower whose input is never augmented: computed once for all trials that start from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radsweep.augment.images import plain_images
from radsweep.augment.text import text_batch
from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from radsweep.data.shards.schema import Split
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.models.vlm import build_model
from radsweep.training import checkpoint
from radsweep.training.context import RunContext
from radsweep.training.embedder import shares_of
from radsweep.training.loop import mixed_precision
from radsweep.training.outcome import Outcome
from radsweep.training.trainer import Adapted

FEATURES = "features.safetensors"


@torch.no_grad()
def run_frozen(
    tower: str,
    trial: Trial,
    data: PreparedData,
    context: RunContext = RunContext(),
    *,
    folder: Path,
    adapted: Adapted,
) -> Outcome:
    """Write the pooled features of every image, or every report, of every split to `folder/checkpoint`.

    Args:
        tower: image or text.
        trial: one of those that share the tower.
    """
    torch.set_num_threads(trial.train.threads)
    workers, device, settings = context.workers, context.device, trial.model.text
    tokenizer = load_tokenizer(data.tokenizer)
    outcome = Outcome()
    model = build_model(trial, tokenizer.vocabulary, adapted).to(device).eval()

    def images(split: PreparedSplit) -> Iterator[Tensor]:
        for rows in shares_of(np.arange(split.index.images), workers):
            yield model.image(plain_images(torch.from_numpy(split.pixels(rows)).to(device))).pooled_BP

    def texts(split: PreparedSplit) -> Iterator[Tensor]:
        for rows in shares_of(np.arange(len(split.index)), workers):
            reports = split.reports.take(rows)
            text = text_batch(reports, tokenizer.special, settings.max_tokens, settings.truncation)
            yield model.text(text.ids_BL.to(device), text.mask_BL.to(device)).pooled_BP

    found: dict[str, Tensor] = {}
    with outcome.timed("training"), mixed_precision(trial.train, device):
        for name, split in data.splits.items():
            parts = images(split) if tower == "image" else texts(split)
            found[name] = workers.gather(torch.cat([part.float() for part in parts])).cpu()
    outcome.pairs = sum(map(len, found.values()))
    if workers.rank == 0:
        with outcome.timed("checkpoint"):
            checkpoint.write_folder(folder / "checkpoint", {FEATURES: found}, {"tower": tower})
    return outcome


def load_frozen(folder: Path) -> dict[Split, Tensor] | None:
    """{split: features} that `run_frozen` left in its folder; None if there are none."""
    found = checkpoint.read_folder(folder / "checkpoint")
    return None if found is None else found[0][FEATURES]  # type: ignore[return-value]
