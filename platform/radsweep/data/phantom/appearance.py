"""Appearance of each kind of finding and device: a change of brightness in F images with one finding each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from radsweep.data.phantom.anatomy import FloatArray, Scene, bump, squared, step
from radsweep.data.phantom.findings import SHAPE_DRAWS, PhantomFinding

CENTRES = {"upper": -0.52, "mid": -0.05, "lower": 0.40, "": 0.0}


@dataclass(frozen=True)
class Spot:
    """Positions of F findings.

    Attributes:
        x, y: [F, H, W] coordinates from the finding's centre.
        size: [F, 1, 1] in 0..1.
        side: 1 for left, -1 for right, 0 without a side or in a lateral view.
        zone: [F, 1, 1], -1 for upper, 0 for mid, 1 for lower.
        shape: SHAPE_DRAWS arrays [F, 1, 1] in 0..1.
    """

    x: FloatArray
    y: FloatArray
    size: FloatArray
    side: float
    zone: FloatArray
    shape: tuple[FloatArray, ...]


def spot_of(scene: Scene, findings: Sequence[PhantomFinding], lateral: bool) -> Spot:
    """Return the positions of findings of one kind and side, one for each image of `scene`."""
    draws = np.array([finding.shape for finding in findings], np.float32)
    shape = tuple(draws[:, place, None, None] for place in range(SHAPE_DRAWS))
    side = 0.0 if lateral else {"left": 1.0, "right": -1.0, "": 0.0}[findings[0].side]
    across = shape[0] if side else shape[1]
    u = side * scene.centre + scene.width * (0.9 * across - 0.45)
    heights = np.array([CENTRES[finding.zone] for finding in findings], np.float32)[:, None, None]
    v = scene.middle + scene.height * (heights + 0.24 * shape[2] - 0.12)
    zone = np.sign(np.round(heights, 1))
    size = np.array([finding.size for finding in findings], np.float32)[:, None, None]
    return Spot(scene.u - u, scene.v - v, size, side, zone, shape)


def opacity(scene: Scene, spot: Spot) -> FloatArray:
    """A fuzzy and uneven patch."""
    radius = squared((0.17 + 0.14 * spot.size) * (0.85 + 0.3 * spot.shape[3]))
    cloud = np.minimum(1.6 * bump((squared(spot.x) + 0.7 * squared(spot.y)) / radius), 1)
    rough = _wave(spot.x * 5 + spot.y * 2, spot.shape[4]) * _wave(spot.y * 5 - spot.x * 2, spot.shape[5])
    return (0.22 + 0.16 * spot.size) * cloud * (0.55 + 0.9 * rough) * (0.2 + 0.8 * scene.lung)


def nodule(scene: Scene, spot: Spot) -> FloatArray:
    """A disc with a sharp edge."""
    radius = squared(0.07 + 0.08 * spot.size)
    return 0.36 * np.clip(2.5 * (1 - (squared(spot.x) + squared(spot.y)) / radius), 0, 1)


def cavity(scene: Scene, spot: Spot) -> FloatArray:
    """A ring around a dark middle."""
    radius = squared(0.10 + 0.10 * spot.size)
    distance = (squared(spot.x) + squared(spot.y) * (0.8 + 0.4 * spot.shape[3])) / radius
    return 0.30 * bump(squared((distance - 1) * 1.4)) - 0.10 * bump(distance)


def pneumothorax(scene: Scene, spot: Spot) -> FloatArray:
    """A dark rim bounded by the pleural line; the lung recedes from the zone."""
    gap = 0.10 + 0.22 * spot.size
    depth = scene.depth if not spot.side else scene.u * np.float32(spot.side)
    x = (depth - scene.centre) / scene.width + gap * np.where(spot.zone == 0, 1.2, 0.5).astype(np.float32)
    y = (scene.v - scene.middle) / scene.height + spot.zone * gap
    inner = step((1 - squared(x) - squared(y)) / 0.2)
    own = step(depth / 0.05) if spot.side else np.float32(1)
    return own * (0.22 * (4 * inner * (1 - inner)) * scene.lung - 0.20 * scene.lung * (1 - inner))


def atelectasis(scene: Scene, spot: Spot) -> FloatArray:
    """One to three straight, nearly level bands."""
    y = spot.y + (spot.shape[3] - 0.5) * spot.x
    number = np.floor(1 + 2.99 * spot.size)
    row = np.clip(np.round(y / 0.11), -np.floor(number / 2), np.floor((number - 1) / 2))
    return 0.36 * bump(squared((y - 0.11 * row) / 0.042)) * bump(squared(spot.x / (0.22 + 0.08 * spot.size)) * 0.6)


def interstitial(scene: Scene, spot: Spot) -> FloatArray:
    """A fine net."""
    window = np.minimum(2 * bump((squared(spot.x) + squared(spot.y)) / squared(0.26 + 0.10 * spot.size)), 1)
    net = np.maximum(_wave(5 * (spot.x + spot.y), spot.shape[3]), _wave(5 * (spot.x - spot.y), spot.shape[4]))
    return (0.32 + 0.24 * spot.size) * window * (net - 0.5) * (0.2 + 0.8 * scene.lung)


def calcification(scene: Scene, spot: Spot) -> FloatArray:
    """A cluster of bright specks."""
    window = step(8 * (1 - (squared(spot.x) + squared(spot.y)) / squared(0.14 + 0.12 * spot.size)))
    specks = _wave(5 * spot.x + spot.y, spot.shape[3]) * _wave(5 * spot.y - spot.x, spot.shape[4])
    return 1.1 * window * np.maximum(specks - 0.45, 0)


def effusion(scene: Scene, spot: Spot) -> FloatArray:
    """Fluid at the base, higher towards the wall."""
    depth = scene.depth if not spot.side else scene.u * np.float32(spot.side)
    across = (depth - scene.centre) / scene.width
    level = scene.base - 0.06 - 0.34 * spot.size - 0.14 * squared(np.maximum(across + 0.3, 0))
    own = step((1.15 - np.abs(across)) / 0.1)
    fluid = own * step((scene.v - level) / 0.05) * step((scene.base + 0.06 - scene.v) / 0.1)
    return fluid * (0.06 + 0.34 * scene.lung)


def mediastinum(scene: Scene, spot: Spot) -> FloatArray:
    """A wide upper mediastinum."""
    wide = 0.16 + 0.14 * spot.size
    skew = 0.08 * (spot.shape[3] - 0.5)
    return (
        0.30
        * step((wide - np.abs(scene.u - skew)) / 0.05)
        * bump(squared((scene.v + 0.38) / 0.34))
        * (0.25 + 0.75 * scene.lung)
    )


def pacemaker(scene: Scene, spot: Spot) -> FloatArray:
    """A box below the clavicle, and a lead."""
    x, y = scene.u - 0.5 - 0.1 * spot.shape[3], scene.v + 0.62 + 0.1 * spot.shape[4]
    box = step((0.11 - np.abs(x)) / 0.02) * step((0.08 - np.abs(y)) / 0.02)
    along = step(y / 0.02) * step((0.85 - y) / 0.02)
    return 0.45 * box + 0.30 * along * bump(squared((x + 0.45 * y) / 0.03))


def catheter(scene: Scene, spot: Spot) -> FloatArray:
    """A thin line that comes down beside the mediastinum."""
    x = scene.u + 0.14 + 0.05 * spot.shape[3] + 0.35 * squared(np.minimum(scene.v + 0.1, 0))
    return 0.32 * bump(squared(x / 0.03)) * step((0.15 + 0.15 * spot.shape[4] - scene.v) / 0.02)


def tube(scene: Scene, spot: Spot) -> FloatArray:
    """Two walls in the midline, ending above the carina."""
    wall = np.abs(np.abs(scene.u - 0.02 * (spot.shape[3] - 0.5)) - 0.05)
    return 0.35 * bump(squared(wall / 0.028)) * step((-0.35 + 0.15 * spot.shape[4] - scene.v) / 0.02)


APPEARANCES: dict[str, Callable[[Scene, Spot], FloatArray]] = {  # cardiomegaly is in the anatomy: a wider heart
    "opacity": opacity,
    "nodule": nodule,
    "cavity": cavity,
    "pneumothorax": pneumothorax,
    "atelectasis": atelectasis,
    "interstitial": interstitial,
    "calcification": calcification,
    "effusion": effusion,
    "mediastinum": mediastinum,
    "pacemaker": pacemaker,
    "catheter": catheter,
    "tube": tube,
}


def _wave(x: FloatArray, phase: FloatArray) -> FloatArray:
    """A triangle wave of period 1, 0..1."""
    x = x + phase
    x -= np.floor(x)
    return np.abs(2 * x - 1)
