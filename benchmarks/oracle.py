"""The best possible retrieval on the phantom: an oracle that knows what images show and what reports say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import Figures, run

from radsweep.data.phantom import DIFFICULTIES, generate, oracle_retrieval

SEED = 0


def measure(folder: Path, quick: bool) -> Figures:
    """Recall at 10, report to image, over the test split of each difficulty; ties count at their middle rank."""
    pool = 40 if quick else 400
    recall = {}
    for name, difficulty in DIFFICULTIES.items():
        sizes = {"pairs": 0, "validation": pool, "test": pool, "unpaired_images": 0, "unpaired_reports": 0}
        studies = [study for study in generate(name, seed=SEED, **sizes) if study.split == "test"]
        scores = oracle_retrieval(studies, difficulty)
        own = np.diag(scores)[:, None]
        rank = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
        recall[name] = float((rank <= 10).mean())
    return {"candidates": pool, "recall_at_10": recall}


if __name__ == "__main__":
    run(measure)
