"""Seconds and peak memory of packing 100,000 small images with `radsweep pack`, killed twice and continued.

The benchmark fails unless every pair is in the shards exactly once.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from common import Figures, run, tell
from PIL import Image

from radsweep.data.shards.dataset import read_manifest

IMAGES = 100_000
SIDE = 16  # pixels


def measure(folder: Path, quick: bool) -> Figures:
    """Pack a tenth of the images without a kill, to compare memory, and then all of them."""
    images = 2_000 if quick else IMAGES
    tell(f"making {images} PNG files")
    make_source(folder / "source", images)
    write_table(folder / "tenth.csv", images // 10)
    write_table(folder / "whole.csv", images)
    start = time.perf_counter()
    tenth_mb, _ = pack(folder, "tenth")
    tenth_s = time.perf_counter() - start
    tell(f"a tenth took {tenth_s:.0f} s")

    start = time.perf_counter()
    runs = [pack(folder, "whole", at) for at in (images // 3, images * 2 // 3, None)]
    seconds = time.perf_counter() - start
    return {
        "images": images,
        "read_at_kills": [listed for _, listed in runs[:2]],
        "pairs": pairs(folder / "whole", images),
        "seconds": seconds,
        "peak_mb": max(peak for peak, _ in runs),
        "tenth_seconds": tenth_s,
        "tenth_peak_mb": tenth_mb,
    }


def make_source(root: Path, images: int) -> None:
    random = np.random.default_rng(0)
    for first in range(0, images, 1000):
        (root / f"{first:06d}").mkdir(parents=True)
    for number in range(images):
        noise = random.integers(0, 256, (SIDE, SIDE), np.uint8)
        Image.fromarray(noise).save(root / name(number), compress_level=1)


def name(number: int) -> str:
    return f"{number // 1000 * 1000:06d}/{number}.png"


def write_table(path: Path, images: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient", "notes"])
        writer.writerows([name(number), f"p{number // 2}", f"Report {number}."] for number in range(images))


def pack(folder: Path, table: str, kill_at: int | None = None) -> tuple[float, int]:
    """Peak MiB, and the number of images that were listed as read when the process was killed."""
    command = [sys.executable, "-m", "radsweep", "pack", "csv", str(folder / "source"), str(folder / table)]
    command += ["--table", str(folder / f"{table}.csv"), "--image", "{image}", "--report", "notes"]
    process = subprocess.Popen([*command, "--patient", "patient"])
    listed = 0
    while kill_at is not None and listed < kill_at:
        time.sleep(0.2)
        assert process.poll() is None, "ended before it could be killed"
        listed = sum(file.read_bytes().count(b"\n") - 1 for file in folder.glob(f".{table}.partial-*/.spool.index"))
    if kill_at is not None:
        process.kill()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == (0 if kill_at is None else -signal.SIGKILL)
    return used.ru_maxrss / 1024, listed


def pairs(shards: Path, images: int) -> int:
    """Count the pairs. Raise AssertionError if one is missing or duplicated."""
    manifest = read_manifest(shards)
    found: Counter[str] = Counter()
    for shard in manifest.shards:
        found.update(pq.read_table(shards / shard.path, columns=["report"])["report"].to_pylist())
    assert found == Counter(f"Report {number}." for number in range(images))
    return found.total()


if __name__ == "__main__":
    run(measure)
