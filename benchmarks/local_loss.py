"""Seconds and peak memory of the local loss, forward and backward, compared with the direct formula of GLoRIA.

Each side runs in a new process with one thread for each core. The direct side goes text by text, like GLoRIA's code,
and keeps everything that the backward pass needs. Both sides get the same random regions and words, without padding.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.config.objective import Local
from radsweep.objectives.local import local_scores
from radsweep.objectives.views import Words

SETTINGS = Local(weight=1)
Score = Callable[[Tensor, Tensor], Tensor]


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run both sides in turn, and compare their scores and gradients."""
    figures: dict[str, Any] = {key: getattr(options, key) for key in ("batch", "words", "regions", "width", "device")}
    for side in SIDES:
        print(f"{side}: in a new process", file=sys.stderr, flush=True)
        shape = [f"--{key}={value}" for key, value in figures.items() if not isinstance(value, dict)]
        command = [sys.executable, __file__, *shape, f"--side={side}", f"--out={folder / side}"]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures[side] = json.loads(printed)
    if not (folder / "direct").exists():
        return figures
    ours, direct = (torch.load(folder / side, weights_only=True) for side in SIDES)
    for name, expected in direct.items():
        figures[f"{name}_difference"] = float((ours[name] - expected).abs().max())
    return figures | {"max_abs_difference": max(figures[f"{name}_difference"] for name in direct)}


def run_side(options: argparse.Namespace) -> dict[str, Any]:
    """Time loss and gradients once, after a small batch that starts threads and libraries."""
    torch.set_num_threads(os.cpu_count() or 1)
    device = torch.device(options.device)
    score = SIDES[options.side]
    step(score, *inputs(options, 2, device))
    if device.type == "cuda":  # its libraries load a kernel when a size first needs it
        step(score, *inputs(options, options.batch // 2, device))
        torch.cuda.reset_peak_memory_stats()
    regions_BRD, words_BWD = inputs(options, options.batch, device)
    synchronise(device)
    began = time.perf_counter()
    try:
        scores_BB = step(score, regions_BRD, words_BWD)
        synchronise(device)
    except torch.cuda.OutOfMemoryError:
        return {"failed": f"out of GPU memory, {torch.cuda.get_device_properties(0).total_memory >> 20} MiB"}
    seconds = time.perf_counter() - began
    peak_mb = peak(device)
    values = {"score": scores_BB, "region_gradient": regions_BRD.grad, "word_gradient": words_BWD.grad}
    torch.save({name: value.cpu() for name, value in values.items() if value is not None}, options.out)
    return {"seconds": seconds, "peak_mb": peak_mb}


def inputs(options: argparse.Namespace, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Draw regions [B, R, D] and words [B, W, D] with products of variance 1."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, options.regions, options.width), (batch, options.words, options.width))
    drawn = [torch.randn(shape, generator=generator).div_(options.width**0.25).to(device) for shape in shapes]
    return drawn[0].requires_grad_(), drawn[1].requires_grad_()


def step(score: Score, regions_BRD: Tensor, words_BWD: Tensor) -> Tensor:
    """Run forward and backward; return the scores."""
    scores_BB = score(regions_BRD, words_BWD)
    logits_BB = SETTINGS.logits * scores_BB
    target_B = torch.arange(len(logits_BB), device=logits_BB.device)
    (functional.cross_entropy(logits_BB, target_B) + functional.cross_entropy(logits_BB.T, target_B)).backward()
    return scores_BB.detach()


def ours(regions_BRD: Tensor, words_BWD: Tensor) -> Tensor:
    batch, words = words_BWD.shape[:2]
    return local_scores(
        regions_BRD, Words(words_BWD, torch.arange(words, device=words_BWD.device).expand(batch, words)), SETTINGS
    )


def direct(regions_BRD: Tensor, words_BWD: Tensor) -> Tensor:
    """Equations 3 to 9 of GLoRIA (Huang et al. 2021), one text after another."""
    columns = []
    for text_WD in words_BWD:
        over_words_BRW = (regions_BRD @ text_WD.T).softmax(dim=2)
        alpha_BWR = (SETTINGS.attention * over_words_BRW.transpose(1, 2)).softmax(dim=2)
        cosine_BW = functional.cosine_similarity(text_WD[None], alpha_BWR @ regions_BRD, dim=2)
        columns.append((SETTINGS.context * cosine_BW).exp().sum(dim=1).log())
    return torch.stack(columns, dim=1)


SIDES: dict[str, Score] = {"ours": ours, "direct": direct}


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak(device: torch.device) -> float:
    """Peak MiB of resident memory of this process, or of memory that was allocated on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--batch", type=int, default=96, help="number of images and of texts")
    parser.add_argument("--words", type=int, default=30, help="words per text")
    parser.add_argument("--regions", type=int, default=361, help="regions per image")
    parser.add_argument("--width", type=int, default=256, help="dimensions")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    for hidden in ("--quick", "--side", "--out"):
        action = "store_true" if hidden == "--quick" else "store"
        parser.add_argument(hidden, action=action, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(run_side(options)))
        return
    if options.quick:
        options.batch, options.words, options.regions, options.width = 6, 5, 20, 8
    with tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        figures = measure(options, Path(folder))
    import common  # not earlier: it takes memory, and the peak of a process starts at its parent's

    sys.argv[1:] = ["--json"] if options.json else []
    common.run(lambda *_: figures)


if __name__ == "__main__":
    main()
