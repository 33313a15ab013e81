"""The share of false claims in reports over nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from radsweep.report.analysis.claims import CLEAR, claims
from radsweep.report.analysis.results import join
from radsweep.report.text.findings import findings
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]


def null_numbers(seed: int, arms: int, sizes: tuple[int, ...]) -> dict[str, dict[int, list[float]]]:
    """Arms that differ by their seeds only."""
    value_ASR = 0.15 + 0.01 * np.random.default_rng(seed).normal(size=(arms, len(sizes), 3))
    names = ["baseline", *(f"null {number}" for number in range(1, arms))]
    return {
        arm: {size: value_R.tolist() for size, value_R in zip(sizes, value_SR, strict=True)}
        for arm, value_SR in zip(names, value_ASR, strict=True)
    }


@pytest.mark.parametrize("metric", ["median_rank", "recall_at_10"])
def test_row_8_reports_over_nothing_claim_a_difference_in_five_percent(
    metric: str, ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    """8 arms at 3 sizes; of the median rank, which has no interval of queries, nothing is claimed at all."""
    said: Counter[str] = Counter()
    reports = false = 0
    for seed in range(8):
        numbers = null_numbers(seed, 8, (100, 300, 1000))
        sweep, cells, queries = with_queries(*ablation(numbers, select=f"val/text_to_image/{metric}"))
        results = join(sweep, cells, queries.get)
        verdicts = [claim.verdict for claim in claims(results)]
        assert len(verdicts) == 21
        said.update(verdicts)
        reports += 1
        false += any(verdict in CLEAR for verdict in verdicts)
        words = " ".join(finding.sentence for finding in findings(results))
        assert ("clear" in words or "helped" in words) == any(verdict in CLEAR for verdict in verdicts)
    assert false / reports <= 0.05 + 2 * (0.05 * 0.95 / reports) ** 0.5
    assert (said["cannot be claimed"] == said.total()) == (metric == "median_rank")
