"""Findings and devices: their kinds, and those that a study shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from radsweep.data.phantom.difficulty import Difficulty

SIDES = ("left", "right")
ZONES = ("upper", "mid", "lower")
SEVERITIES = ("mild", "moderate", "severe")

ZONED = ("opacity", "nodule", "cavity", "pneumothorax", "atelectasis", "interstitial", "calcification")
SIDED = (*ZONED, "effusion")  # effusions have a side and are at the base
CENTRAL = ("cardiomegaly", "mediastinum")  # neither side nor zone
FINDINGS = (*SIDED, *CENTRAL)
DEVICES = ("pacemaker", "catheter", "tube")

SLOTS: tuple[tuple[str, str], ...] = (
    *((kind, side) for kind in SIDED for side in SIDES),
    *((kind, "") for kind in CENTRAL),
)
SHAPE_DRAWS = 6


class PhantomFinding(NamedTuple):
    """One finding or device of a study, as it truly is (not as the report describes it).

    `zone` and `side` are empty if the kind has none; `severity` is empty for devices. `size` in 0..1 rises with
    severity. `shape` holds uniform draws in 0..1 for position, form and texture, shared by all views.
    """

    kind: str
    side: str
    zone: str
    severity: str
    size: float
    shape: tuple[float, ...]


def draw_findings(rng: np.random.Generator, studies: int, difficulty: Difficulty) -> list[tuple[PhantomFinding, ...]]:
    """Draw findings and devices of `studies` studies: slots without repeats, so none occurs twice on one side."""
    most = len(difficulty.finding_counts) - 1
    counts = np.searchsorted(np.cumsum(difficulty.finding_counts)[:-1], rng.random(studies), side="right")
    slots = np.argsort(rng.random((studies, len(SLOTS))), axis=1, kind="stable")[:, :most]
    zones = rng.integers(0, len(ZONES), (studies, most))
    severities = rng.integers(0, len(SEVERITIES), (studies, most))
    within = rng.random((studies, most))
    shapes = rng.random((studies, most + len(DEVICES), SHAPE_DRAWS))
    worn = rng.random((studies, len(DEVICES))) < difficulty.devices
    found = []
    for study in range(studies):
        items = []
        for place in range(counts[study]):
            kind, side = SLOTS[slots[study, place]]
            severity = int(severities[study, place])
            items.append(
                PhantomFinding(
                    kind,
                    side,
                    ZONES[zones[study, place]] if kind in ZONED else "",
                    SEVERITIES[severity],
                    (severity + 0.7 * float(within[study, place])) / 2.7,
                    tuple(shapes[study, place].tolist()),
                )
            )
        for place, kind in enumerate(DEVICES):
            if worn[study, place]:
                items.append(PhantomFinding(kind, "", "", "", 0.5, tuple(shapes[study, most + place].tolist())))
        found.append(tuple(items))
    return found


def labels_of(findings: Iterable[PhantomFinding]) -> dict[str, float | None]:
    """Return 1 or 0 for every kind ("effusion"), and for every side of a kind that has sides ("effusion.left")."""
    present = {name for item in findings for name in (item.kind, f"{item.kind}.{item.side}")}
    names = [*FINDINGS, *DEVICES, *(f"{kind}.{side}" for kind in SIDED for side in SIDES)]
    return {name: float(name in present) for name in names}


def omission(kind: str, difficulty: Difficulty) -> float:
    """Return the probability that a report does not mention a finding or device of this kind."""
    return difficulty.omit_device if kind in DEVICES else difficulty.omit
