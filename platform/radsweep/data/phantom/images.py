"""Render a chunk's images as 8-bit grey PNG: anatomy, findings, exposure and noise."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from radsweep.data.phantom.anatomy import Draws, FloatArray, Scene, render_anatomy
from radsweep.data.phantom.appearance import APPEARANCES, spot_of
from radsweep.data.phantom.difficulty import Difficulty
from radsweep.data.phantom.findings import PhantomFinding

BLOCK_PIXELS = 1 << 17  # rendered at a time, so that arrays stay in the cache and memory does not grow with the size


def render_images(
    rng: np.random.Generator,
    draws: Draws,
    findings: Sequence[Sequence[PhantomFinding]],
    size: int,
    difficulty: Difficulty,
) -> NDArray[np.uint8]:
    """Return pixels [N, size, size] of N images of one view with the findings of each; the first do not depend on N."""
    pixels = np.empty((len(findings), size, size), np.uint8)
    length = max(1, BLOCK_PIXELS // (size * size))
    for start in range(0, len(findings), length):
        rows = slice(start, start + length)
        block = draws.rows(rows)
        image, scene = render_anatomy(block, size, difficulty)
        _add_findings(image, scene, findings[rows], bool(block.lateral[0]), difficulty.contrast)
        pixels[rows] = _expose(rng, image, block.exposure, difficulty)
    return pixels


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode one image [H, W] as PNG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def _add_findings(
    image: FloatArray, scene: Scene, findings: Sequence[Sequence[PhantomFinding]], lateral: bool, contrast: float
) -> None:
    slots: dict[tuple[str, str], list[tuple[int, PhantomFinding]]] = defaultdict(list)
    for row, items in enumerate(findings):
        for item in items:
            if item.kind in APPEARANCES:
                slots[item.kind, item.side].append((row, item))
    for (kind, _), placed in slots.items():
        rows = np.array([row for row, _ in placed])
        part = Scene(*(getattr(scene, name)[rows] for name in scene.__dataclass_fields__))
        image[rows] += np.float32(contrast) * APPEARANCES[kind](
            part, spot_of(part, [item for _, item in placed], lateral)
        )


def _expose(
    rng: np.random.Generator, image: FloatArray, exposure: FloatArray, difficulty: Difficulty
) -> NDArray[np.uint8]:
    """Apply gamma, gain, brightness and noise. The noise is a sum of two uniform draws, the same on every machine."""
    brightness, gain, gamma = (np.float32(difficulty.exposure) * exposure[:, place, None, None] for place in range(3))
    image = np.clip(image, 0, 1.2)
    image = image + 0.35 * gamma * image * (1 - image)
    image = image * (0.8 + 0.12 * gain) + (0.06 + 0.05 * brightness)
    size = image.shape[1]
    noise = rng.integers(0, 256, (len(image), 2, size, size), dtype=np.uint8).astype(np.float32)
    image += np.float32(difficulty.noise * 2.45 / 255) * (noise[:, 0] + noise[:, 1] - 255)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
