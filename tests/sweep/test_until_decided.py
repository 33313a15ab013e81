"""Replicates are added until each comparison is decided."""

from __future__ import annotations

import pytest

from radsweep.report.analysis.claims import claims
from radsweep.report.analysis.results import join
from radsweep.store.records import CellRecord
from radsweep.sweep.design.planned_trials import plan_cells
from support.designs import key_of
from support.simulated_sweep import Simulated


@pytest.fixture
def run() -> Simulated:
    found = Simulated({"max": 12, "until": "decided"}, {})
    assert found.run([], None) == "finished"
    return found


def test_each_comparison_gets_the_replicates_that_decide_it(run: Simulated) -> None:
    results = join(run.sweep, run.records, run.queries.get)
    verdicts = {(found.arm, found.size): found.verdict for found in claims(results)}
    for size in (50, 100):
        assert verdicts["strong", size] == "helped"
        assert verdicts["null", size] == "equivalent"
        assert run.replicates["strong", size] == 3
    assert sum(run.replicates.values()) < 0.5 * 12 * 8


def test_the_baseline_has_as_many_replicates_as_the_arm_with_the_most(run: Simulated) -> None:
    for size in (50, 100):
        most = max(n for (arm, at), n in run.replicates.items() if at == size and arm != "baseline")
        assert run.replicates["baseline", size] == most


def test_the_final_report_says_what_each_look_said(run: Simulated) -> None:
    """An arm that has stopped keeps its replicates and its correction, so nothing is taken back later."""
    results = join(run.sweep, run.records, run.queries.get)
    for found in claims(results):
        assert found.change is not None
        assert found.change.seeds == run.replicates[found.arm, found.size]
        assert found.change.correction.planned_looks == 10


def test_a_resumed_sweep_takes_the_same_looks_and_runs_nothing_twice() -> None:
    records: dict[str, CellRecord] = {}
    cut = Simulated({"max": 12, "until": "decided"}, records, most=20)
    assert cut.run([], None) == "interrupted"
    resumed = Simulated({"max": 12, "until": "decided"}, records)
    assert resumed.run([], None) == "finished"
    whole = Simulated({"max": 12, "until": "decided"}, {})
    whole.run([], None)
    assert resumed.sweep.cells == whole.sweep.cells
    assert len(cut.ran) + len(resumed.ran) == len(whole.ran)
    assert not {cell.key for cell in cut.ran} & {cell.key for cell in resumed.ran}


def test_the_ceiling_ends_a_sweep_that_stays_open() -> None:
    noisy = Simulated({"max": 4, "until": "decided"}, {}, noise=0.2)
    assert noisy.run([], None) == "finished"
    assert max(noisy.replicates.values()) == 4
    assert noisy.expected[0] == 24
    assert noisy.expected == sorted(noisy.expected)


def test_replicates_that_cannot_decide_are_not_run() -> None:
    """An arm without a gain errs on other patients than the baseline: the patients leave more than 2 points open."""
    hopeless = Simulated({"max": 12, "until": "decided"}, {}, noise=0.2, of_patients=True)
    hopeless.run([], None)
    assert hopeless.replicates["null", 50] < 6
    found = claims(join(hopeless.sweep, hopeless.records, hopeless.queries.get))
    (null,) = [claim for claim in found if (claim.arm, claim.size) == ("null", 50)]
    assert null.verdict == "open"
    assert null.outlook is not None
    assert null.outlook.seeds is None
    assert null.outlook.patients is not None


def test_numbers_of_cells_stay_those_of_the_whole_plan(run: Simulated) -> None:
    whole = {cell.key: cell.number for cell in plan_cells(run.setup.experiment, key_of)}
    assert all(whole[cell.key] == cell.number for cell in run.sweep.cells)
