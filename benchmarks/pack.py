"""Images per second of `radsweep pack --size`, compared with a plain process pool with Pillow on the same files.

The pool opens each image, converts it to grey, shrinks it to the same size, encodes it as JPEG (quality 92) and writes
a file. radsweep also hashes pixels, looks for blank images and duplicates, and writes checked shards, flushed to the
disk.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from common import Figures, run, tell
from PIL import Image

from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source

SIZE = 512  # pixels of the longest side of stored images
REPEATS = 5


def measure(folder: Path, quick: bool) -> Figures:
    """Pack JPEG radiographs of 2,500 x 2,048 pixels, and PNGs of 1,024 x 1,024, which radsweep keeps lossless."""
    images, repeats = (6, 1) if quick else (120, REPEATS)
    jpeg = compare(folder / "jpeg", "jpg", (2500, 2048), images, repeats)
    png = compare(folder / "png", "png", (1024, 1024), images, repeats)
    return jpeg | {"png": png}


def compare(folder: Path, kind: str, shape: tuple[int, int], images: int, repeats: int) -> Figures:
    """Run both sides in turn. Return medians; the ratio is the median over neighbouring runs."""
    tell(f"making {images} {kind} files of {shape[0]} x {shape[1]}")
    make_source(folder / "source", kind, shape, images)
    took: dict[str, list[tuple[float, float]]] = {"ours": [], "pool": []}
    for number in range(repeats):
        for side, work in (("ours", ours), ("pool", pool)):
            took[side].append(timed(partial(work, folder / "source", folder / f"{side}{number}")))
        tell(f"{kind}, repeat {number}: ours {took['ours'][-1][0]:.2f} s, pool {took['pool'][-1][0]:.2f} s")
    ratios = [pool_s / ours_s for (ours_s, _), (pool_s, _) in zip(took["ours"], took["pool"], strict=True)]
    ours_s, ours_cpu_s = map(statistics.median, zip(*took["ours"], strict=True))
    pool_s, pool_cpu_s = map(statistics.median, zip(*took["pool"], strict=True))
    return {
        "images": images,
        "ours_images_per_s": images / ours_s,
        "pool_images_per_s": images / pool_s,
        "ratio": statistics.median(ratios),
        "ours_cpu_s": ours_cpu_s / images,
        "pool_cpu_s": pool_cpu_s / images,
    }


def make_source(root: Path, kind: str, shape: tuple[int, int], images: int) -> None:
    """Draw smooth shadows with the grain of a detector; a JPEG has about 0.9 MB, like a radiograph."""
    (root / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    shadows = random.integers(30, 226, (shape[0] // 64, shape[1] // 64), np.uint8)
    large = np.asarray(Image.fromarray(shadows).resize(shape[::-1], Image.Resampling.BICUBIC))
    grained = np.clip(large + random.integers(-4, 5, shape, np.int16), 0, 255).astype(np.uint8)
    with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient", "notes"])
        for number in range(images):
            name = f"{number}.{kind}"
            Image.fromarray(np.roll(grained, 7 * number, axis=(0, 1))).save(root / "images" / name, quality=92)
            writer.writerow([name, f"p{number}", f"Report {number}."])


def ours(root: Path, out: Path) -> None:
    settings = CsvSettings(image="images/{image}", report="notes", patient="patient", size=SIZE)
    packed = pack_source("csv", settings, root, out)
    assert packed.packed == packed.rows, packed.manifest.dropped


def pool(root: Path, out: Path) -> None:
    out.mkdir()
    with multiprocessing.Pool(os.cpu_count()) as workers:
        for _ in workers.imap_unordered(partial(shrink_one, out), sorted((root / "images").iterdir()), chunksize=4):
            pass


def shrink_one(out: Path, path: Path) -> None:
    picture = Image.open(path).convert("L")
    picture.thumbnail((SIZE, SIZE))
    picture.save(out / f"{path.stem}.jpg", quality=92)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock, and CPU seconds of all cores, which are meaningful on a busy machine too."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - start, sum(os.times()[:4]) - before


if __name__ == "__main__":
    run(measure)
