from __future__ import annotations

from collections.abc import Callable

import pytest

from radsweep.report.claims import Finding
from radsweep.report.findings import findings
from radsweep.report.results import join
from radsweep.training.record import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
BASE = [0.12, 0.14, 0.13]


def claims(sweep: SweepRecord, cells: dict[str, CellRecord]) -> list[Finding]:
    return [f for f in findings(join(sweep, cells)) if f.arm]


def headline(sweep: SweepRecord, cells: dict[str, CellRecord]) -> str:
    return " ".join(f.sentence for f in findings(join(sweep, cells)) if not f.arm)


def test_an_arm_that_is_higher_in_every_replicate_by_far_more_than_they_vary_helped(
    ablation: Callable[..., Sweep],
) -> None:
    sweep = ablation({"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}})
    (claim,) = claims(*sweep)
    assert claim.verdict == "helped"
    assert "local helped: 19.0 % against 13.0 % for baseline, +6.0 points in the mean of 3 paired" in claim.sentence
    assert "(+6.0 to +6.1)" in claim.sentence
    assert "1 of 1 comparison with baseline is clear: local helped at 300 pairs." in headline(*sweep)


def test_an_arm_that_is_lower_hurt_and_for_ranks_lower_is_better(ablation: Callable[..., Sweep]) -> None:
    numbers = {"baseline": {300: BASE}, "local": {300: [0.06, 0.08, 0.071]}}
    assert claims(*ablation(numbers))[0].verdict == "hurt"
    by_rank = claims(*ablation(numbers, select="val/text_to_image/median_rank"))[0]
    assert by_rank.verdict != "helped", "a larger rank never helps"
    assert "+" in by_rank.sentence


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.18, 0.20], "2 replicates are fewer than 3"),
        ([0.18], "1 replicate is fewer than 3"),
        ([0.18, 0.20, 0.12], "the replicates do not all differ in the same direction"),
        ([0.13, 0.20, 0.15], "the differences vary too much between replicates for their mean"),
    ],
)
def test_too_few_or_too_varied_replicates_are_no_evidence_and_the_sentence_says_why(
    ablation: Callable[..., Sweep], values: list[float], reason: str
) -> None:
    sweep = ablation({"baseline": {300: BASE}, "local": {300: values}})
    (claim,) = claims(*sweep)
    assert claim.verdict == "no evidence"
    assert f"this is no evidence of a difference yet, because {reason}" in claim.sentence
    assert "helped" not in claim.sentence + headline(*sweep)


def test_an_arm_is_compared_with_the_baselines_own_replicates_alone(ablation: Callable[..., Sweep]) -> None:
    (claim,) = claims(*ablation({"baseline": {300: [0.10, 0.30, 0.50]}, "local": {300: [0.15]}}))
    assert "reached 15.0 % against 10.0 % for baseline, +5.0 points in one paired replicate" in claim.sentence


def test_a_sentence_that_rests_on_unconverged_cells_names_them(ablation: Callable[..., Sweep]) -> None:
    late = [("baseline", 300, 0), ("baseline", 300, 2), ("local", 300, 0), ("local", 300, 1), ("local", 300, 2)]
    numbers = {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}}
    (claim,) = claims(*ablation(numbers, unconverged=late))
    assert claim.verdict == "no evidence"
    assert "because baseline (replicates 1 and 3) and local (every replicate) had not converged" in claim.sentence
    assert "had not converged" in headline(*ablation(numbers, unconverged=late)), "the baseline's own sentence too"


def test_unconverged_cells_of_another_size_do_not_spoil_a_comparison(ablation: Callable[..., Sweep]) -> None:
    numbers = {"baseline": {300: BASE, 100: BASE}, "local": {300: [0.18, 0.20, 0.191], 100: [0.18, 0.20, 0.191]}}
    by_size = {c.size: c.verdict for c in claims(*ablation(numbers, unconverged=[("baseline", 100, 0)]))}
    assert by_size == {100: "no evidence", 300: "helped"}


def test_the_baseline_under_another_name_is_called_that_and_never_helps(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "null": {300: BASE}})
    (claim,) = claims(sweep, cells)
    assert claim.verdict == "same run"
    assert "gave the very numbers of baseline" in claim.sentence
    assert "None of the 1 comparison" in headline(sweep, cells)


def test_equal_scores_of_different_runs_are_not_called_the_same_run(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: BASE}})
    for key, record in cells.items():
        if key.startswith("local"):
            history = tuple(v.model_copy(update={"metrics": v.metrics | {"train/loss": 9.0}}) for v in record.history)
            cells[key] = record.model_copy(update={"history": history})
    assert claims(sweep, cells)[0].verdict == "no evidence"


def test_validation_numbers_are_compared_where_some_cells_have_no_test_numbers(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}})
    cells["local-300-1"] = cells["local-300-1"].model_copy(update={"final": {}})
    results = join(sweep, cells)
    assert results.metric == "val/text_to_image/recall_at_10"
    assert "19.4 % against 13.3 %" in claims(sweep, cells)[0].sentence


def test_a_searchs_winner_is_said_to_be_too_good(search: Callable[..., Sweep]) -> None:
    text = headline(*search([0.1, 0.3, 0.2, 0.15]))
    assert "The best of 4 measured trials is trial 1: 30.0 % validation" in text
    assert "the median trial reached 17.5 %" in text
    assert "too good by an unknown amount: it is the best of 4" in text
    assert "On the test split, read once and for this trial alone, it reached 27.0 %" in text


def test_a_trial_alone_says_whether_it_had_converged(one_trial: Sweep) -> None:
    text = headline(*one_trial)
    assert "18.0 % test recall@10" in text
    assert "it had not converged" in text
    assert "chance is 2.5 % among 400 candidates" in text
