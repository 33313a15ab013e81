"""Sentences of a report that depend on its design: folds, one replicate, one subset, all pairs, levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from radsweep.report.analysis.results import Results, join
from radsweep.report.render.content import content
from radsweep.report.text.design import population, replicates_differ_by, tuning_advice, tuning_statement
from radsweep.report.text.recommendation import recommendation
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
Change = Callable[[PlannedCell], dict[str, Any]]
NUMBERS = {"baseline": {300: [0.12, 0.14, 0.13]}, "local": {300: [0.18, 0.13, 0.19]}}


@pytest.fixture
def made(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> Callable[..., Results]:
    """make(changes of each planned cell, changes of each record): three replicates of two arms."""

    def make(planned: Change = lambda _: {}, record: Change = lambda _: {}, numbers: Any = NUMBERS) -> Results:
        sweep, records, queries = with_queries(*ablation(numbers))
        cells = [cell.model_copy(update=planned(cell)) for cell in sweep.cells]
        records |= {cell.key: records[cell.key].model_copy(update=record(cell)) for cell in cells}
        return join(sweep.model_copy(update={"cells": tuple(cells)}), records, queries.get)

    return make


def own_start(cell: PlannedCell) -> dict[str, Any]:
    return {"init_seed": cell.subset_seed}


def test_subsets_and_starts_are_what_claims_are_about(made: Callable[..., Results]) -> None:
    results = made(own_start, lambda cell: {"subset_sha256": str(cell.subset_seed)})
    assert replicates_differ_by(results) == ["subset of studies", "start"]
    assert population(results).startswith(
        "Every claim is about subsets of these 3,000 training studies, other starts and other patients like those of "
        "the test split; other training studies may give another answer."
    )


def test_replicates_of_all_pairs_are_about_these_studies_and_no_subsets(made: Callable[..., Results]) -> None:
    results = made(own_start, lambda _: {"subset_sha256": "all", "pairs": 3000})
    assert replicates_differ_by(results) == ["start"]
    assert population(results).startswith("Every claim is about these 3,000 training studies, other starts and other")
    limits = next(section.data["limits"] for section in content(results).sections if "limits" in section.data)
    assert any(line.startswith("± is the standard deviation over replicates (start);") for line in limits)


def test_a_size_of_all_pairs_beside_others_is_named(made: Callable[..., Results]) -> None:
    numbers = {arm: {300: of[300], 3000: of[300]} for arm, of in NUMBERS.items()}
    results = made(own_start, lambda c: {"subset_sha256": str(c.subset_seed * (c.pairs == 300))}, numbers)
    assert (
        "At 3,000 pairs all replicates trained on the same studies, so nothing there is about other subsets."
        in population(results)
    )


def test_starts_on_one_subset_are_about_that_subset_and_ask_for_more_starts(made: Callable[..., Results]) -> None:
    results = made(lambda cell: {"subset_seed": 0, "init_seed": cell.subset_seed})
    assert replicates_differ_by(results) == ["start"]
    assert "about the one subset of these 3,000 training studies that was drawn at each size" in population(results)
    advice = recommendation(results)
    assert advice is not None
    assert any(step.startswith("More replicates (ablation.seeds.init)") for step in advice.next)


def test_one_replicate_is_about_itself(made: Callable[..., Results]) -> None:
    results = made(numbers={arm: {300: of[300][:1]} for arm, of in NUMBERS.items()})
    assert replicates_differ_by(results) == []
    assert population(results).startswith(
        "Every interval is about other patients like those of the test split, and about the one replicate that was run"
    )
    limits = next(section.data["limits"] for section in content(results).sections if "limits" in section.data)
    assert "There is one replicate an arm, so intervals only hold the noise of a finite set of patients." in limits


def test_folds_are_about_the_whole_data_set_and_are_not_asked_to_be_tuned(made: Callable[..., Results]) -> None:
    results = made(own_start)
    folded = [cell.model_copy(update={"fold": 0}) for cell in results.sweep.cells]
    results = join(results.sweep.model_copy(update={"cells": tuple(folded)}), {})
    assert "other patients like those of this data set" in population(results)
    assert "subsets of these 3,800 training studies" in population(results)
    assert "(ablation.tune, without data.folds)" in tuning_advice(results)


def test_levels_are_settings_and_are_not_asked_to_be_tuned(made: Callable[..., Results]) -> None:
    results = made()
    assert tuning_statement(results).startswith("Every arm ran at one setting of its own, none was tuned")
    assert "(ablation.tune)" in tuning_advice(results)
    levels = {"design": "one-at-a-time", "levels": {"train.batch_size": [32, 64]}}
    experiment = results.sweep.experiment | {"ablation": levels}
    results = join(results.sweep.model_copy(update={"experiment": experiment}), {})
    assert tuning_statement(results) == "No arm was tuned: each level is compared with all else as in the base trial."
    assert tuning_advice(results) == ""
