"""What a planned ablation could show, from an earlier one on the same data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment
from radsweep.sweep.design.planned_trials import plan_cells
from radsweep.sweep.forecast.power import power_notes
from support.designs import key_of
from support.simulated_sweep import Simulated


@pytest.fixture(scope="module")
def store() -> Any:
    """A store with one finished ablation of 3 replicates at 50 and 100 pairs."""
    run = Simulated(3, {}, noise=0.05)
    cells = plan_cells(run.setup.experiment, key_of)
    run.design(cells, read_test=True, later=cells)
    sweep = run.sweep.model_copy(
        update={"cells": tuple(cells), "status": "finished", "data": {"fingerprint": "f"}, "id": "earlier"}
    )
    return SimpleNamespace(sweeps=lambda: [sweep], read_records=lambda _: run.records, read_queries=run.queries.get)


def planned(seeds: Any, **ablation: Any) -> Experiment:
    arms = {"baseline": {}, "a": {"objective.local.weight": 1}, "b": {"objective.local.weight": 2}}
    tree = {"experiment": "y", "data": {"shards": "s"}, "ablation": {"arms": arms, "pairs": [100], "seeds": seeds}}
    tree["ablation"] |= ablation
    return parse_experiment(tree, "y.yaml")


def points(note: str) -> float:
    return float(note.split("about ")[1].split(" points")[0])


def notes(store: Any, experiment: Experiment, fingerprint: str = "f") -> list[str]:
    return power_notes(store, experiment, plan_cells(experiment, key_of), fingerprint)


def test_the_smallest_difference_that_would_be_shown_falls_with_replicates(store: Any) -> None:
    (few,), (many,) = notes(store, planned(3)), notes(store, planned(12))
    assert few.startswith("At 100 pairs, 3 replicates would show a difference of about ")
    assert few.endswith("(in 80 %), as earlier varied.")
    assert points(few) > 1.5 * points(many) > 0


def test_what_is_projected_is_what_the_earlier_sweep_reports(store: Any) -> None:
    """Three replicates of as many comparisons could show what the earlier sweep says of its open comparisons."""
    from radsweep.report.analysis.claims import claims
    from radsweep.report.analysis.results import join

    sweep = store.sweeps()[0]
    earlier = join(sweep, store.read_records(sweep), store.read_queries)
    shown = [100 * c.outlook.detectable for c in claims(earlier) if c.outlook and c.size == 100]
    arms = {f"a{n}": {"objective.local.weight": n} for n in range(1, 7)}
    same_number = planned(3, arms={"baseline": {}} | arms)
    assert min(shown) * 0.8 <= points(notes(store, same_number)[0]) <= max(shown) * 1.2


def test_until_decided_is_projected_as_expected_and_most_trials(store: Any) -> None:
    found = notes(store, planned({"max": 12, "until": "decided"}))
    assert found[0].startswith("At 100 pairs, at most 12 replicates would show a difference of about ")
    assert "replicates would decide a comparison without a difference" in found[1]
    assert found[1].endswith("of at most 36 trials.")


def test_one_replicate_supports_no_claim(store: Any) -> None:
    assert notes(store, planned(1)) == [
        "With one replicate nothing can be claimed at 100 pairs; set ablation.seeds to 3 or more."
    ]


def test_other_data_and_an_empty_store_say_nothing(store: Any) -> None:
    assert notes(store, planned(3), "another") == []
    assert notes(SimpleNamespace(sweeps=list), planned(3)) == []
