"""What a trial cost, and which trials no other beats in both score and cost."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.store.records import CellRecord


def cost_of(record: CellRecord, cost: str) -> float:
    """`search.cost` of a trial that ended: seconds of training, studies seen in training, parameters of the model."""
    if cost == "seconds":
        return record.seconds.get("training", 0.0)
    if cost == "samples":
        return float(record.steps * min(record.trial["train"]["batch_size"], record.pairs))
    return float(record.parameters)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points (score, cost) that none other beats: higher score at no higher cost, or lower cost at no
    lower score. From the cheapest on; of equal points the first.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0], i))
    found: list[int] = []
    for i in order:
        if not found or points[i][0] > points[found[-1]][0]:
            found.append(i)
    return found
