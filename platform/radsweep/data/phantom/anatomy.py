"""Anatomy: shapes that differ by patient, as shown in frontal and lateral views.

Coordinates: u to the right and v downwards, -1..1 over the image; the patient's left is at u > 0. In a lateral view
u < 0 is the front. Everything is float32 and built only from additions, multiplications and square roots, so that the
same draws give the same pixels on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsweep.data.phantom.difficulty import Difficulty

FloatArray = NDArray[Any]  # float32: numpy's type stubs lose it in arithmetic with Python numbers
SHAPES = 12  # draws of the anatomy
GRID = 8  # clutter: a GRID x GRID field, interpolated


@dataclass(frozen=True)
class Draws:
    """Random draws by which a chunk's N images differ, apart from findings.

    Attributes:
        lateral: [N] bool.
        shape: [N, SHAPES] normal, cut at two standard deviations.
        rib_phase: [N, 1] in 0..1.
        clutter: [N, GRID, GRID] in -1..1.
        pose: [N, 4] in -1..1: rotation, shift along u and v, scale.
        exposure: [N, 3] in -1..1: brightness, gain, gamma.
        heart: [N] widening of the heart by cardiomegaly, 0 for none.
    """

    lateral: NDArray[np.bool_]
    shape: FloatArray
    rib_phase: FloatArray
    clutter: FloatArray
    pose: FloatArray
    exposure: FloatArray
    heart: FloatArray

    def rows(self, rows: slice | NDArray[np.intp]) -> Draws:
        """Return the draws of some of the images."""
        return Draws(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Scene:
    """Coordinates and lungs of N images, to place findings in.

    Attributes:
        u, v: [N, H, W] coordinates in the body.
        depth: [N, H, W] distance from the midline (frontal), or u (lateral).
        lung: [N, H, W] lung mask, 0..1.
        centre, width, middle, height: [N, 1, 1] centre and half-axes of a lung, along `depth` and v.
        base: [N, H, W] v of the diaphragm.
    """

    u: FloatArray
    v: FloatArray
    depth: FloatArray
    lung: FloatArray
    centre: FloatArray
    width: FloatArray
    middle: FloatArray
    height: FloatArray
    base: FloatArray


def draw_anatomy(
    rng: np.random.Generator,
    patient: NDArray[np.intp],
    lateral: NDArray[np.bool_],
    heart: FloatArray,
    difficulty: Difficulty,
) -> Draws:
    """Draw anatomy and exposure of N images; `patient` [N] numbers the chunk's patients from 0."""
    images, patients = len(patient), int(patient.max()) + 1
    keep, own = np.sqrt(difficulty.shape_identity), np.sqrt(1 - difficulty.shape_identity)
    shared = rng.standard_normal((patients, SHAPES))[patient] * keep
    shape = difficulty.anatomy * np.clip(shared + rng.standard_normal((images, SHAPES)) * own, -2, 2)
    of_patient = rng.random((patients, 1 + GRID * GRID))[patient]
    hidden = rng.random((images, 1 + GRID * GRID))
    texture = of_patient * difficulty.texture_identity + hidden * (1 - difficulty.texture_identity)
    pose, exposure = rng.uniform(-1, 1, (images, 4)), rng.uniform(-1, 1, (images, 3))
    return Draws(
        lateral,
        shape.astype(np.float32),
        texture[:, :1].astype(np.float32),
        (2 * texture[:, 1:] - 1).astype(np.float32).reshape(images, GRID, GRID),
        pose.astype(np.float32),
        exposure.astype(np.float32),
        heart,
    )


def render_anatomy(draws: Draws, size: int, difficulty: Difficulty) -> tuple[FloatArray, Scene]:
    """Return images [N, size, size] without findings, about 0..1, and their scene; all have the same view."""
    u, v = _coordinates(draws.pose, size, difficulty.rotation)
    lateral = bool(draws.lateral[0])
    shape = [draws.shape[:, place, None, None] for place in range(SHAPES)]
    height, middle = 0.70 + 0.05 * shape[1], -0.08 + 0.03 * shape[2]
    if lateral:
        depth, centre, width = u, 0.04 * shape[3], 0.56 + 0.05 * shape[0]
        base = 0.46 + 0.05 * shape[4] + (0.25 + 0.05 * shape[5]) * squared(u + 0.1)
    else:
        depth, centre, width = np.abs(u), 0.43 + 0.02 * shape[3], 0.31 + 0.025 * shape[0]
        base = 0.46 + 0.05 * shape[4] + (0.03 + 0.02 * shape[6]) * u + (0.9 + 0.2 * shape[5]) * squared(depth - centre)
    ellipse = 1 - squared((depth - centre) / width) - squared((v - middle) / height)
    lung = step(ellipse / 0.3) * step((base - v) / 0.05)
    body = step((0.97 + 0.03 * shape[7] - np.abs(u)) / 0.12)
    image = body * (0.62 + 0.10 * step((v - 0.3) / 0.4)) - 0.38 * lung
    image += difficulty.ribs * _ribs(draws, shape, depth, v, lateral) * (0.35 + 0.65 * lung) * body
    image += _centre(draws, shape, u, v, lateral) * (0.3 + 0.7 * lung)
    clutter = difficulty.clutter + (difficulty.clutter_in_lungs - difficulty.clutter) * lung
    image += clutter * _interpolate(draws.clutter, size) * body
    return image, Scene(u, v, depth, lung, centre, width, middle, height, base)


def step(x: FloatArray) -> FloatArray:
    """Return a smooth step: 0 below -1, 1 above 1."""
    x = np.clip(x, -1, 1)
    return (0.5 + x * (0.75 - 0.25 * x * x)).astype(np.float32, copy=False)


def bump(distance: FloatArray) -> FloatArray:
    """Return a smooth bump of a squared distance: 1 at 0, and 0 from 1 on."""
    return squared(np.maximum(1 - distance, 0))


def squared(x: FloatArray) -> FloatArray:
    """Return x times x."""
    return x * x


def _coordinates(pose: FloatArray, size: int, rotation: float) -> tuple[FloatArray, FloatArray]:
    line = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    angle = pose[:, 0, None, None] * np.float32(np.deg2rad(rotation))
    scale = 1 + 0.06 * pose[:, 3, None, None]
    across, along = scale * (1 - angle * angle / 2), scale * angle
    x, y = line[None, None, :] + 0.06 * pose[:, 1, None, None], line[None, :, None] + 0.06 * pose[:, 2, None, None]
    return across * x + along * y, across * y - along * x


def _ribs(draws: Draws, shape: list[FloatArray], depth: FloatArray, v: FloatArray, lateral: bool) -> FloatArray:
    slope = 0.35 + 0.08 * shape[8]
    bend = slope * depth if lateral else squared(depth) * slope - 0.25 * depth
    phase = (v + bend) * (3.4 + 0.25 * shape[9]) + draws.rib_phase[:, :, None]
    phase -= np.floor(phase)
    return bump(squared((phase - 0.5) * 3.2))


def _centre(draws: Draws, shape: list[FloatArray], u: FloatArray, v: FloatArray, lateral: bool) -> FloatArray:
    """Return heart, spine and mediastinum (frontal), or spine and heart (lateral)."""
    wide = (0.27 + 0.025 * shape[10]) * (1 + draws.heart[:, None, None])
    tall = (0.28 + 0.02 * shape[11]) * (1 + 0.4 * draws.heart[:, None, None])
    across = (u + 0.30) / wide if lateral else (u - 0.12 - 0.15 * draws.heart[:, None, None]) / wide
    heart = step((1 - squared(across) - squared((v - 0.22) / tall)) / 0.35)
    if lateral:
        return np.maximum(0.30 * heart, 0.28 * step((0.16 - np.abs(u - 0.58 - 0.1 * v)) / 0.06))
    return np.maximum(0.36 * heart, 0.32 * step((0.13 + 0.01 * shape[7] - np.abs(u)) / 0.05))


def _interpolate(grid: FloatArray, size: int) -> FloatArray:
    """Interpolate [N, G, G] to [N, size, size], smooth between the grid's points."""
    at = (np.arange(size, dtype=np.float32) + 0.5) * ((grid.shape[1] - 1) / size)
    low = np.minimum(at.astype(np.intp), grid.shape[1] - 2)
    weight = step(2 * (at - low).astype(np.float32) - 1)
    rows = grid[:, low] + weight[None, :, None] * (grid[:, low + 1] - grid[:, low])
    return rows[:, :, low] + weight * (rows[:, :, low + 1] - rows[:, :, low])
