"""Claims about tuned arms: scores are made up, so that it is known which of them are false."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from radsweep.config.load import parse_experiment
from radsweep.evaluation.queries import QueryResults
from radsweep.report.analysis.claims import CLEAR, Claim, claims
from radsweep.report.analysis.results import Results, join
from radsweep.report.analysis.tuned import tuned_once
from radsweep.report.render.content import content
from radsweep.report.render.markdown import render_markdown
from radsweep.report.text.best import how_chosen, selection
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import choices
from radsweep.sweep.design.planned_trials import ablation_cells, tuning_cells

SELECT, TEST = "val/text_to_image/recall_at_10", "test/text_to_image/recall_at_10"
ARMS: dict[str, Any] = {"baseline": {}, "local": {"objective.local.weight": 1.0}}
DECAY, WEIGHT = "train.weight_decay", "objective.local.weight"
SPACE: dict[str, Any] = {DECAY: {"uniform": [0, 1]}}
OWN: dict[str, Any] = {"local": {WEIGHT: {"uniform": [0, 1]}}}
STUDIES = 200
NAMES = tuple(f"s{n}" for n in range(STUDIES))
OTHERS = {"text_to_image": np.full(STUDIES, 199.0)}
TRAINING, VALIDATION = 0.01, 0.08  # standard deviations of a trial's recall: of its training, of a small split
EMPTY = CellRecord(key="", trial={}, status="finished", pairs=300, convergence="converged")


class Simulation:
    """Sweeps whose scores fall with the distance of the weight decay from the best; nothing else matters.

    Args:
        effect: what the arm adds to the recall, whatever its weight.
    """

    def __init__(self, seeds: int, repeat: str, effect: float = 0.0, per_arm: Mapping[str, Any] = OWN) -> None:
        tune = {"trials": 6, "space": SPACE, "per_arm": per_arm, "repeat": repeat}
        ablation = {"arms": ARMS, "pairs": [300], "seeds": seeds, "tune": tune}
        whole = parse_experiment({"experiment": "e", "data": {"shards": "x"}, "ablation": ablation}, "test")
        assert whole.ablation is not None
        assert whole.ablation.tune is not None
        self.ablation, self.tune, self.effect = whole.ablation, whole.ablation.tune, effect
        base, numbers = whole.trial(), iter(range(10**6))
        key_of = lambda trial: str(next(numbers))  # noqa: E731
        self.tries = tuning_cells(base, self.ablation, self.tune, key_of)
        anything = {cell.tuning_place: {} for cell in self.tries}
        self.cells = ablation_cells(base, self.ablation, key_of, anything)
        self.sweep = SweepRecord(
            id="0001", name="e", kind="ablation", experiment=whole.model_dump(mode="json", exclude_none=True),
            select=SELECT, cells=(), baseline="baseline", status="finished",
        )  # fmt: skip

    def results(self, report: int) -> Results:
        random = np.random.default_rng([report, 7])
        tries = self._tries(report)
        noise = random.normal(0, math.hypot(TRAINING, VALIDATION), len(tries))
        scores = [self._quality(cell) + each for cell, each in zip(tries, noise, strict=True)]
        records = {cell.key: _record(cell, score) for cell, score in zip(tries, scores, strict=True)}
        chosen = choices(tries, records, SELECT)
        cells = [cell.model_copy(update={"tuned": chosen[cell.tuning_place]}) for cell in self.cells]
        ease_Q, queries = random.normal(0, 0.15, STUDIES), {}
        for cell in cells:
            quality = self._quality(cell) + random.normal(0, TRAINING)
            hit_Q = random.random(STUDIES) < np.clip(0.5 + quality + ease_Q, 0, 1)
            ranks = {"text_to_image": np.where(hit_Q, 1.0, 100.0)}
            queries[cell.key] = QueryResults(NAMES, NAMES, ranks, OTHERS)
            records[cell.key] = _record(cell, 0.5 + quality, float(hit_Q.mean()))
        sweep = self.sweep.model_copy(update={"cells": tuple(cells), "tuning": tuple(tries)})
        return join(sweep, records, queries.get)

    def claim(self, report: int) -> Claim:
        (found,) = claims(self.results(report))
        return found

    def _tries(self, report: int) -> list[PlannedCell]:
        """The plan, with the points of another seed."""
        tune = self.tune.model_copy(update={"seed": report})
        points = {
            (arm, replicate): tune.points(arm, {}, replicate)
            for arm in ARMS
            for replicate in self.ablation.tuned_replicates()
        }
        return [
            cell.model_copy(update={"tuned": points[cell.arm, cell.tuning_replicate][cell.tuning or 0]})
            for cell in self.tries
        ]

    def _quality(self, cell: PlannedCell) -> float:
        added = self.effect if cell.arm == "local" else 0.0
        return float(added - 1.0 * (cell.tuned[DECAY] - 0.5) ** 2)


def _record(cell: PlannedCell, validation: float, test: float | None = None) -> CellRecord:
    final = {} if test is None else {TEST: test}
    return EMPTY.model_copy(
        update={"key": cell.key, "trial": {"arm": cell.arm}, "best": {SELECT: validation}, "final": final}
    )


def allowed(reports: int) -> float:
    """A rate of 5 %, and two Monte Carlo standard errors."""
    return 0.05 + 2 * math.sqrt(0.05 * 0.95 / reports)


@pytest.mark.parametrize(("seeds", "reports"), [(3, 150), (10, 120)])
def test_a_null_technique_that_is_tuned_in_each_replicate_is_rarely_claimed(seeds: int, reports: int) -> None:
    simulation = Simulation(seeds, "each_replicate")
    false = sum(simulation.claim(report).verdict in CLEAR for report in range(reports))
    assert false / reports <= allowed(reports)


@pytest.mark.parametrize("per_arm", [OWN, {}], ids=["a key of its own", "shared keys"])
def test_nothing_is_claimed_of_values_tuned_once_whose_luck_would_be_claimed_too_often(per_arm: Any) -> None:
    simulation, reports = Simulation(10, "once", per_arm=per_arm), 80
    found = [simulation.claim(report) for report in range(reports)]
    assert sum(claim.verdict in CLEAR for claim in found) / reports <= allowed(reports)
    clear = sum(claim.change is not None and claim.change.clear for claim in found)
    assert clear / reports > allowed(reports)


def test_a_technique_that_helps_is_found_if_it_is_tuned_in_each_replicate() -> None:
    simulation = Simulation(5, "each_replicate", effect=0.3)
    assert {simulation.claim(report).verdict for report in range(10)} == {"helped"}


def test_a_key_of_its_own_that_was_tuned_once_is_the_reason_why_nothing_is_claimed() -> None:
    found = [Simulation(5, "once", effect=0.3).claim(report) for report in range(5)]
    assert {claim.verdict for claim in found} == {"cannot be claimed"}
    assert all("objective.local.weight" in claim.why for claim in found)
    assert all(claim.why.endswith("tune in each replicate (ablation.tune.repeat: each_replicate)") for claim in found)


def test_arms_that_were_tuned_once_to_the_same_values_are_compared_at_these_values() -> None:
    simulation, verdicts = Simulation(5, "once", effect=0.3, per_arm={}), {}
    for report in range(12):
        results = simulation.results(report)
        chosen = {group.arm: group.results[0].planned.tuned for group in results.groups}
        (claim,) = claims(results)
        verdicts[chosen["local"] == chosen["baseline"]] = claim.verdict, claim.why.partition(",")[0], results
    assert verdicts[True][:2] == ("helped", "")
    assert verdicts[False][:2] == (
        "cannot be claimed",
        "train.weight_decay was tuned only once and not to the same value as in baseline",
    )
    assert "local helped at these tuned values: +" in render_markdown(content(verdicts[True][2]))


def test_a_record_from_before_tuning_could_be_repeated_was_tuned_once() -> None:
    results = Simulation(5, "once", effect=0.3).results(0)
    del results.sweep.experiment["ablation"]["tune"]["repeat"]
    plan, ablation = results.sweep.plan, results.sweep.ablation
    assert plan is not None
    assert plan.ablation is not None
    for read in (plan.ablation, ablation):
        assert read is not None
        assert read.tune is not None
        assert read.tune.repeat == "once"
    assert tuned_once(results)
    assert [claim.verdict for claim in claims(results)] == ["cannot be claimed"]


def test_an_arm_whose_tuning_failed_in_some_replicates_is_not_claimed() -> None:
    results = Simulation(5, "each_replicate", effect=0.3).results(0)
    cells = {r.planned.key: r.record for r in (*results.all, *results.tuning) if r.record}
    kept = [c for c in results.sweep.cells if (c.arm, c.tuning_replicate) != ("local", 1)]
    sweep = results.sweep.model_copy(update={"cells": tuple(kept)})
    (claim,) = claims(join(sweep, cells, results.queries))
    assert (claim.verdict, claim.why) == (
        "cannot be claimed",
        "no tuning trial of local finished in 1 of 5 replicates, and those that are left may be the easy ones",
    )


@pytest.mark.parametrize("repeat", ["each_replicate", "once"])
def test_a_report_of_tuned_arms_knows_that_they_were_tuned(repeat: str) -> None:
    text = render_markdown(content(Simulation(3, repeat).results(0))).replace("\\", "")
    assert "none was tuned" not in text
    assert "the same tuning budget" not in text
    once = "The values were tuned once: claims speak of these tuned values only, not of the technique as such"
    each = "Every arm was tuned again in each replicate, so intervals include luck in tuning."
    assert (once in text, each in text) == (repeat == "once", repeat == "each_replicate")
    assert ("Tune in each replicate (ablation.tune.repeat: each_replicate)" in text) == (repeat == "once")
    assert "and so is the validation split on which tuning selects." in text
    assert (each in text.partition("When not to follow it:")[2]) is False


def test_the_chosen_configuration_says_which_replicate_chose_its_tuned_values() -> None:
    results = Simulation(3, "each_replicate").results(0)
    assert "Its tuned values are those that replicate 1 chose" in how_chosen(results, selection(results))
    results = Simulation(3, "once").results(0)
    assert "tuned values" not in how_chosen(results, selection(results))
