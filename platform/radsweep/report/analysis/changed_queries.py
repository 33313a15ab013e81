"""Test queries that an arm gained and lost against the baseline, at the size that decides. Ids and ranks, never texts.

A query is found by an arm if its own study is within the first `k` in more than half of the replicates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radsweep.evaluation.queries import QueryResults
from radsweep.report.analysis.group_differences import size_that_decides
from radsweep.report.analysis.results import Group, Results

MOST_QUERIES = 12  # of an arm, gained and lost each
MOST_ARMS = 8
USUAL_CUT = 10


@dataclass(frozen=True)
class ChangedQuery:
    """One study, and the rank of its own counterpart in each replicate that both arms have."""

    study_id: str
    before: tuple[int, ...]  # of the baseline
    after: tuple[int, ...]


@dataclass(frozen=True)
class ChangedQueries:
    """Those of one arm, the clearest first, at most MOST_QUERIES each."""

    arm: str
    gained: tuple[ChangedQuery, ...]
    lost: tuple[ChangedQuery, ...]
    all_gained: int
    all_lost: int


@dataclass(frozen=True)
class Examples:
    direction: str  # text_to_image, image_to_text
    size: int | None
    within: int  # rank up to which a query counts as found
    candidates: int | None
    arms: tuple[ChangedQueries, ...]
    left_out: int  # arms, if there are more than MOST_ARMS
    why: str = ""  # there are none, as the end of a sentence


def examples(results: Results, first: Sequence[str] = ()) -> Examples:
    """Queries gained and lost by each arm, at most MOST_ARMS.

    Args:
        first: arms that come before the others.
    """
    name = results.metric.partition("/")[2]
    direction, _, measure = name.rpartition("/")
    cut = re.fullmatch(r"recall_at_(\d+)", measure)
    within = int(cut[1]) if cut else USUAL_CUT
    size = size_that_decides(results)
    if isinstance(size, str):
        return Examples(direction, None, within, None, (), 0, size)
    compared = [arm for arm in dict.fromkeys([*first, *results.arms]) if arm != results.sweep.baseline]
    found = [_changed(results, arm, size, direction, within) for arm in compared[:MOST_ARMS]]
    arms = tuple(changed for changed in found if changed is not None)
    why = "" if arms else "no arm and the baseline have results of the same queries in this measure"
    return Examples(direction, size, within, results.pool(), arms, len(compared[MOST_ARMS:]), why)


def _changed(results: Results, arm: str, size: int | None, direction: str, within: int) -> ChangedQueries | None:
    ours, theirs = results.group(arm, size), results.group(results.sweep.baseline, size)
    if ours is None or theirs is None:
        return None
    shared = sorted({r.replicate for r in ours.results} & {r.replicate for r in theirs.results})
    pairs = [(_ranks(results, theirs, r, direction), _ranks(results, ours, r, direction)) for r in shared]
    whole = [(before, after) for before, after in pairs if before and after and before.keys() == after.keys()]
    if not whole:
        return None
    studies = [study for study in whole[0][0] if all(study in before for before, _ in whole)]
    before_QR, after_QR = (np.array([[pair[side][study] for pair in whole] for study in studies]) for side in (0, 1))
    found_QA = np.stack([(ranks_QR <= within).mean(1) > 0.5 for ranks_QR in (before_QR, after_QR)], axis=1)
    rise_Q = np.median(np.log(before_QR), axis=1) - np.median(np.log(after_QR), axis=1)

    def queries(places: np.ndarray) -> tuple[ChangedQuery, ...]:
        return tuple(
            ChangedQuery(studies[place], _whole(before_QR[place]), _whole(after_QR[place]))
            for place in sorted(places.tolist(), key=lambda place: -abs(rise_Q[place]))[:MOST_QUERIES]
        )

    gained, lost = np.flatnonzero(found_QA[:, 1] & ~found_QA[:, 0]), np.flatnonzero(found_QA[:, 0] & ~found_QA[:, 1])
    return ChangedQueries(arm, queries(gained), queries(lost), len(gained), len(lost))


def _ranks(results: Results, group: Group, replicate: tuple[int, int], direction: str) -> dict[str, float] | None:
    key = next(r.planned.key for r in group.results if r.replicate == replicate)
    found: QueryResults | None = results.queries(key)
    if found is None or direction not in found.ranks:
        return None
    return dict(zip(found.study_ids, found.ranks[direction].tolist(), strict=True))


def _whole(ranks_R: np.ndarray) -> tuple[int, ...]:
    return tuple(math.ceil(rank) for rank in ranks_R)
