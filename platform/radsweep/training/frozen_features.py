"""Features of a frozen tower whose input is never augmented: computed once for all trials that start from it."""

from __future__ import annotations

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
from radsweep.training.embedder import embed_in_shares
from radsweep.training.outcome import Outcome
from radsweep.training.precision import mixed_precision
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

    def images(split: PreparedSplit) -> Tensor:
        def embed(rows: np.ndarray) -> Tensor:
            pixels_BCSS = torch.from_numpy(split.pixels(rows)).to(device)
            pooled_BP: Tensor = model.image(plain_images(pixels_BCSS, trial.model.image.size)).pooled_BP
            return pooled_BP

        return embed_in_shares(split.index.images, workers, embed)

    def texts(split: PreparedSplit) -> Tensor:
        def embed(rows: np.ndarray) -> Tensor:
            reports = split.reports.take(rows)
            text = text_batch(reports, tokenizer.special, settings.max_tokens, settings.truncation)
            pooled_BP: Tensor = model.text(text.ids_BL.to(device), text.mask_BL.to(device)).pooled_BP
            return pooled_BP

        return embed_in_shares(len(split.index), workers, embed)

    found: dict[str, Tensor] = {}
    with outcome.timed("training"), mixed_precision(trial.train.precision, device):
        for name, split in data.splits.items():
            found[name] = (images(split) if tower == "image" else texts(split)).cpu()
    outcome.pairs = sum(map(len, found.values()))
    if workers.rank == 0:
        with outcome.timed("checkpoint"):
            checkpoint.write_folder(folder / "checkpoint", {FEATURES: found}, {"tower": tower})
    return outcome


def load_frozen(folder: Path) -> dict[Split, Tensor] | None:
    """{split: features} that `run_frozen` left in its folder; None if there are none."""
    found = checkpoint.read_folder(folder / "checkpoint")
    return None if found is None else found[0][FEATURES]  # type: ignore[return-value]
