"""A folder of images with a table, as users have them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def png(seed: int, side: int = 24) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def make_png() -> Callable[..., bytes]:
    """Return `make_png(seed, side=24)`, which makes a picture of noise, the same for the same seed."""
    return png


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Return `tree(rows, images)`, which writes metadata.csv and images/NAME (bytes or a seed) and returns a root."""

    def write(rows: Sequence[Mapping[str, object]], images: Mapping[str, bytes | int]) -> Path:
        root = tmp_path / "source"
        (root / "images").mkdir(parents=True)
        for name, content in images.items():
            (root / "images" / name).write_bytes(png(content) if isinstance(content, int) else content)
        with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return root

    return write
