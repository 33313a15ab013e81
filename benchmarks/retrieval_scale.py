"""Seconds and peak memory of retrieval over a large pool, in both directions and with both definitions of a positive.

Embeddings are random with a signal. Each study has one image, and every tenth report is one of a few that many studies
share. The benchmark runs in a new process with one thread for each core. Memory is that of the whole process, including
torch and the embeddings.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch

from radsweep.evaluation.retrieval import metrics_of, ranked

SHARED_REPORTS = 20


def run_alone(options: argparse.Namespace) -> dict[str, Any]:
    """Compute every metric once, after a small pool that starts threads and libraries."""
    torch.set_num_threads(os.cpu_count() or 1)
    retrieval(600, options.width)
    began = time.perf_counter()
    metrics = retrieval(options.pool, options.width)
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    sizes = {"queries": options.pool, "candidates": options.pool, "width": options.width}
    shown = {name: value for name, value in metrics.items() if name.endswith("/recall_at_10")}
    return sizes | {"threads": torch.get_num_threads(), "seconds": seconds, "peak_mb": peak_mb, "metrics": shown}


def retrieval(pool: int, width: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    text_SD = torch.randn(pool, width, generator=generator)
    group_S = np.arange(pool)
    group_S[::10] = np.arange(len(group_S[::10])) % SHARED_REPORTS
    text_SD = text_SD[torch.from_numpy(group_S)]
    image_MD = text_SD + 5 * torch.randn(pool, width, generator=generator)
    return metrics_of(ranked(image_MD, text_SD, np.arange(pool), group_S))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--pool",
        type=int,
        default=50_000,
        help="studies, as queries and as candidates",
    )
    parser.add_argument("--width", type=int, default=256, help="dimensions")
    for hidden in ("--quick", "--measure"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.pool, options.width = 1500, 32
    if options.measure:
        print(json.dumps(run_alone(options)))
        return
    command = [sys.executable, __file__, "--measure", f"--pool={options.pool}", f"--width={options.width}"]
    figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    import common  # not earlier: it takes memory, and the peak of a process starts at its parent's

    sys.argv[1:] = ["--json"] if options.json else []
    common.run(lambda *_: figures)


if __name__ == "__main__":
    main()
