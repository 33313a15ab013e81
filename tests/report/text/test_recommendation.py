from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from radsweep.config.load import load_experiment
from radsweep.report.analysis.results import join
from radsweep.report.render.write import write_report
from radsweep.report.text.recommendation import Recommendation, recommendation
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
BASE = [0.12, 0.14, 0.13]
CLEAR = [0.18, 0.20, 0.19]


def advice(make: Callable[..., Sweep], with_queries: Callable[..., Any], numbers: Any, **others: Any) -> Recommendation:
    sweep, cells, queries = with_queries(*make(numbers, **others))
    results = join(sweep, cells, queries.get)
    found = recommendation(results)
    assert found is not None
    return found


def test_an_arm_that_helped_is_recommended_with_its_interval(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    found = advice(ablation, with_queries, {"baseline": {300: BASE}, "local": {300: CLEAR}})
    assert found.recipe.startswith("Use local: it had the best mean on the validation split at 300 pairs, and helped")
    assert "at 300 pairs, local differs from baseline by +6.0 points (95 % interval +" in found.evidence
    assert found.files == "best.yaml runs local at 300 pairs."
    assert "from 3 seeds and 400 queries of 240 patients" in found.evidence
    assert found.caution == "", "it took no longer than the baseline"
    assert any("Add sizes" in step for step in found.next)
    assert found.next_yaml == ""


def test_an_arm_that_takes_much_longer_has_a_caution(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: BASE}, "local": {300: CLEAR}}))
    slow = {key: r.model_copy(update={"seconds": {"training": 68.0}}) for key, r in cells.items() if "local" in key}
    found = recommendation(join(sweep, cells | slow, queries.get))
    assert found is not None
    assert found.caution.startswith("Compute: 2.0 × the baseline's time")
    assert found.caution.endswith("the baseline may do as well.")


def test_the_recipes_file_gives_the_evidence_and_still_runs(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any], tmp_path: Path
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: BASE}, "local": {300: CLEAR}}))
    write_report(tmp_path, sweep, cells, queries.get)
    assert "# On the test split, at 300 pairs, local differs from baseline by +6.0" in (
        tmp_path / "best.yaml"
    ).read_text(encoding="utf-8")
    assert load_experiment(tmp_path / "best.yaml").objective.local.weight == 0.1


def test_an_arm_that_may_be_better_by_chance_is_not_recommended(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    found = advice(ablation, with_queries, {"baseline": {300: BASE}, "local": {300: [0.13, 0.145, 0.1325]}})
    assert found.recipe.startswith("Keep baseline for now: local had the best mean")
    assert "local differs from baseline by" in found.evidence
    assert found.files == "best.yaml runs baseline at 300 pairs; candidate.yaml runs local, which is not recommended."
    assert any("decide on local" in step for step in found.next)


def test_unconverged_cells_call_for_longer_training_first(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: BASE, 100: BASE}, "local": {300: CLEAR, 100: CLEAR}}
    found = advice(ablation, with_queries, numbers, unconverged=[("baseline", 300, 0)])
    assert found.recipe.startswith(
        "Keep baseline for now: local had the best mean on the validation split at 300 pairs"
    )
    assert "training may not have converged there" in found.recipe
    assert found.recipe.endswith("At 100 pairs use local: it helped there.")
    assert found.files.startswith("best.yaml runs baseline at 300 pairs; candidate.yaml runs local,")
    assert found.next[0].startswith("Train longer")
    assert "1 of 12 cells had not converged" in found.next[0]


def test_arms_that_helped_separately_are_proposed_together(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(
        *ablation({"baseline": {300: BASE}, "a": {300: CLEAR}, "b": {300: CLEAR}, "c": {300: BASE}})
    )
    changes = {"baseline": {}, "a": {"train.dropout": 0.1}, "b": {"model.dim": 64}, "c": {"train.seed": 1}}
    planned = tuple(c.model_copy(update={"changes": changes[c.arm]}) for c in sweep.cells)
    results = join(sweep.model_copy(update={"cells": planned}), cells, queries.get)
    found = recommendation(results)
    assert found is not None
    assert yaml.safe_load(found.next_yaml) == {"ablation": {"arms": {"a + b": {"train.dropout": 0.1, "model.dim": 64}}}}
    changes["c"] = changes["a"] | changes["b"]
    planned = tuple(c.model_copy(update={"changes": changes[c.arm]}) for c in sweep.cells)
    results = join(sweep.model_copy(update={"cells": planned}), cells, queries.get)
    found = recommendation(results)
    assert found is not None
    assert found.next_yaml == "", "it was run already"


def test_the_baseline_is_kept_if_it_is_best(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> None:
    found = advice(ablation, with_queries, {"baseline": {300: CLEAR}, "local": {300: BASE}})
    assert found.recipe == "Stay with baseline: it had the best mean on the validation split at 300 pairs."


def test_an_arm_that_helped_is_recommended_although_another_leads(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: BASE}, "local": {300: CLEAR}, "unsteady": {300: [0.05, 0.55, 0.10]}}
    found = advice(ablation, with_queries, numbers)
    assert found.recipe == (
        "Use local: it helped at 300 pairs, and of the arms that helped at 300 pairs it had the best mean on the "
        "validation split. unsteady had the best mean on the validation split at 300 pairs, but that it is better "
        "there is not shown."
    )
    assert found.evidence.startswith("On the test split, at 300 pairs, local differs from baseline by +")
    assert found.files == "best.yaml runs local at 300 pairs; candidate.yaml runs unsteady, which is not recommended."


def test_a_size_at_which_the_baseline_has_no_number_decides_nothing(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {100: BASE, 300: BASE}, "local": {100: BASE, 300: CLEAR}})
    results = join(sweep, {key: cell for key, cell in cells.items() if not key.startswith("baseline-300")})
    found = recommendation(results)
    assert found is not None
    assert found.recipe == (
        "Stay with baseline: it had the best mean on the validation split at 100 pairs. Not ranked yet: baseline at "
        "300 pairs (0 of 3 replicates ended)."
    )
    assert found.files == "best.yaml runs baseline at 100 pairs."


def test_a_search_and_a_sweep_without_numbers_have_no_recommendation(
    search: Callable[..., Sweep], ablation: Callable[..., Sweep]
) -> None:
    results = join(*search([0.1, 0.2]))
    assert recommendation(results) is None
    results = join(ablation({"baseline": {300: BASE}})[0], {})
    assert recommendation(results) is None
