"""Seconds and peak memory of retrieval over a large pool: both directions, both readings of a positive.

Random embeddings with a signal, one image a study, every tenth report one of a few that many studies share. In a fresh
process with a thread for each core; memory is that of the whole process, torch and the embeddings included.
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
    """Every metric once, after a small pool that wakes threads and libraries."""
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
    parser.add_argument("--pool", type=int, default=50_000, help="studies: queries and candidates both ways")
    parser.add_argument("--width", type=int, default=256, help="dimensions")
    for hidden in ("--quick", "--alone"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.pool, options.width = 1500, 32
    if options.alone:
        print(json.dumps(run_alone(options)))
        return
    command = [sys.executable, __file__, "--alone", f"--pool={options.pool}", f"--width={options.width}"]
    figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    import common  # not before: it takes memory, and a process begins with its parent's peak

    sys.argv[1:] = ["--json"] if options.json else []
    common.run(lambda *_: figures)


if __name__ == "__main__":
    main()
