"""Cost of a trial, and the Pareto front of score and cost."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.store.records import CellRecord


def cost_of(record: CellRecord, cost: str) -> float:
    """Return `search.cost` of a trial that ended: seconds of training, studies seen, or parameters of the model."""
    if cost == "seconds":
        return record.seconds.get("training", 0.0)
    if cost == "samples":
        return float(record.steps * min(record.trial["train"]["batch_size"], record.pairs))
    return float(record.parameters)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points (score, cost) on the Pareto front, from the cheapest on.

    No other point has a higher score at the same or a lower cost, or a lower cost at the same or a higher score. Of
    equal points the first is returned.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0], i))
    found: list[int] = []
    for i in order:
        if not found or points[i][0] > points[found[-1]][0]:
            found.append(i)
    return found
