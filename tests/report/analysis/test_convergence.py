"""The three answers on convergence, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from radsweep.report.analysis.convergence import counted_doubts, unconverged
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.cell_wording import notes
from radsweep.report.tables.arm_cells import arm_table
from radsweep.report.text.findings import findings
from radsweep.report.text.recommendation import recommendation

Sweep = tuple[Any, dict[str, Any]]
NUMBERS = {"baseline": {300: [0.12, 0.14, 0.13]}, "local": {300: [0.18, 0.20, 0.19]}}
LATE = {"unconverged": [("baseline", 300, 0), ("baseline", 300, 2)], "unknown": [("local", 300, 1)]}


@pytest.fixture
def late(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> Results:
    sweep, cells, queries = with_queries(*ablation(NUMBERS, **LATE))
    return join(sweep, cells, queries.get)


def test_cells_that_still_rose_are_distinguished_from_those_that_may_have_risen(late: Results) -> None:
    assert unconverged(late, late.groups, None) == (
        "baseline (replicates 1 and 3) had not converged and local (replicate 2) may not have converged"
    )
    assert [counted_doubts(group.results) for group in late.groups] == [
        "2 had not converged",
        "1 may not have converged",
    ]


def test_every_sentence_that_rests_on_convergence_words_both_cases(late: Results) -> None:
    (claim,) = [finding for finding in findings(late) if finding.arm == "local"]
    assert claim.verdict == "not converged"
    assert (
        "but baseline (replicates 1 and 3) had not converged and local (replicate 2) may not have converged, so this "
        "is about this much training only, not about the technique"
    ) in claim.sentence
    cell = next(c for row in arm_table(late).rows for c in row.cells if c and c.arm == "local")
    assert list(notes(late.metric, cell)) == [
        "baseline (replicates 1 and 3) had not converged and local (replicate 2) may not have converged"
    ]
    base = next(c for row in arm_table(late).rows for c in row.cells if c and c.arm == "baseline")
    assert list(notes(late.metric, base)) == ["2 had not converged"]
    advice = recommendation(late)
    assert advice is not None
    assert "Train longer (train.until: plateau with a higher train.max_steps): 2 of 6 cells had" in advice.next[0]
    assert "Find out if training had converged in 1 of 6 cells" in advice.next[1]


def test_cells_that_all_converged_have_no_doubt(ablation: Callable[..., Sweep]) -> None:
    results = join(*ablation(NUMBERS))
    assert unconverged(results, results.groups, None) == ""
    assert counted_doubts(results.all) == ""
