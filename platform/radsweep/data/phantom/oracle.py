"""Oracle: retrieval by the true findings of images and the findings that reports mention, the best possible result."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radsweep.data.phantom.difficulty import Difficulty
from radsweep.data.phantom.findings import DEVICES, SEVERITIES, SLOTS, ZONES, omission
from radsweep.data.phantom.generate import PhantomStudy

NEVER = -50.0  # the score of a contradiction: a finding is mentioned but absent, or denied but present


def oracle_retrieval(studies: Sequence[PhantomStudy], difficulty: Difficulty) -> NDArray[np.float64]:
    """Return scores [N reports, N images]: the log-likelihood of a report's mentions, given the findings of an image.

    Studies need a report and images. All images of a study count as one, whatever their views.
    """
    states = [(kind, side) for kind, side in SLOTS] + [(kind, "") for kind in DEVICES]
    place = {state: number for number, state in enumerate(states)}
    shown = np.zeros((len(studies), len(states)), bool)
    zone = np.full((len(studies), len(states)), -1)
    severity = np.full((len(studies), len(states)), -1)
    for row, study in enumerate(studies):
        for item in study.findings:
            slot = place[item.kind, item.side]
            shown[row, slot] = True
            zone[row, slot] = ZONES.index(item.zone) if item.zone else -1
            severity[row, slot] = SEVERITIES.index(item.severity) if item.severity else -1
    silent = shown @ np.log([omission(kind, difficulty) for kind, _ in states])
    scores = np.tile(silent, (len(studies), 1))
    for row, study in enumerate(studies):
        assert study.written is not None
        for kind, side, written_zone, written_severity in study.written.mentions:
            slot = place[kind, side]
            fits = shown[:, slot].copy()
            if written_zone:
                fits &= zone[:, slot] == ZONES.index(written_zone)
            if written_severity:
                fits &= severity[:, slot] == SEVERITIES.index(written_severity)
            omit = omission(kind, difficulty)
            scores[row] += np.where(fits, math.log(1 - omit) - math.log(omit), NEVER)
        for slot_name in study.written.denied:
            scores[row] += np.where(shown[:, place[slot_name]], NEVER, 0.0)
    return scores
