from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from radsweep.report.analysis.results import join
from radsweep.report.text.findings import findings
from radsweep.report.text.verdicts import Finding, rule
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
BASE = [0.12, 0.14, 0.13]


def claims(sweep: SweepRecord, cells: dict[str, CellRecord]) -> list[Finding]:
    return [f for f in findings(join(sweep, cells)) if f.arm]


@pytest.fixture
def claimed(
    ablation: Callable[..., Sweep],
    with_queries: Callable[..., tuple[SweepRecord, dict[str, CellRecord], dict[str, Any]]],
) -> Callable[..., list[Finding]]:
    """Return the verdicts of a sweep with results of its queries."""

    def make(numbers: dict[str, dict[int, list[float]]], **others: Any) -> list[Finding]:
        sweep, cells, queries = with_queries(*ablation(numbers, **others))
        return [f for f in findings(join(sweep, cells, queries.get)) if f.arm]

    return make


def test_an_effect_and_its_interval_come_before_p(
    claimed: Callable[..., list[Finding]],
) -> None:
    (claim,) = claimed({"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.19]}})
    assert claim.verdict == "helped"
    assert re.fullmatch(
        r"At 300 pairs, local helped: \+6\.0 points \(95 % interval \+\d\.\d to \+\d\.\d\)\.", claim.sentence
    )
    assert claim.beside.startswith("19.0 % against 13.0 % for baseline; p < 0.001 after correction for 1 comparison")
    assert "3 replicates, all cells converged. Compute: 1.0 × the baseline's time" in claim.beside
    assert claim.cells == (3, 4, 5, 0, 1, 2)


def test_no_evidence_with_an_interval_still_names_unlikely_effects(claimed: Callable[..., list[Finding]]) -> None:
    (claim,) = claimed({"baseline": {300: BASE}, "local": {300: [0.13, 0.1425, 0.1325]}})
    assert claim.verdict == "no evidence"
    found = re.search(r"interval (−\d\.\d) to (\+\d\.\d)\), no evidence of a difference", claim.sentence)
    assert found
    assert f"effects beyond {found[1]} or {found[2]} points are unlikely on this data" in claim.sentence


def test_a_clear_difference_of_unconverged_cells_is_limited_to_this_much_training(
    claimed: Callable[..., list[Finding]],
) -> None:
    (claim,) = claimed(
        {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.19]}}, unconverged=[("baseline", 300, 1)]
    )
    assert claim.verdict == "not converged"
    assert "+6.0 points (95 % interval" in claim.sentence
    assert "but baseline (replicate 2) had not converged, so this is evidence about this much training only" in (
        claim.sentence
    )


def test_one_replicate_never_helps_however_many_patients(claimed: Callable[..., list[Finding]]) -> None:
    (claim,) = claimed({"baseline": {300: [0.12]}, "local": {300: [0.40]}})
    assert claim.verdict == "no evidence"
    assert "with one replicate the interval holds only other patients, not other seeds" in claim.sentence


def test_a_lower_metric_hurts_and_many_comparisons_raise_the_bar(claimed: Callable[..., list[Finding]]) -> None:
    hurt = claimed({"baseline": {300: BASE}, "local": {300: [0.06, 0.08, 0.07]}})
    assert hurt[0].verdict == "hurt"
    small = {300: [0.145, 0.16, 0.1575]}
    many = {f"other {n}": {300: [0.12 + n / 400, 0.14, 0.13 - n / 400]} for n in range(8)}
    alone = claimed({"baseline": {300: BASE}, "local": small})
    among = claimed({"baseline": {300: BASE}, "local": small, **many})
    assert alone[0].verdict == "helped"
    assert among[0].verdict == "no evidence"
    assert "by itself, a hint that may be chance among so many" in among[0].beside


def test_a_multiplier_that_rests_on_an_unconverged_baseline_is_an_upper_bound(
    claimed: Callable[..., list[Finding]],
) -> None:
    numbers = {
        "baseline": {100: [0.08, 0.09, 0.085], 300: [0.14, 0.15, 0.145], 1000: [0.25, 0.26, 0.255]},
        "local": {100: [0.12, 0.13, 0.125], 300: [0.20, 0.21, 0.205], 1000: [0.30, 0.31, 0.305]},
    }
    sound = {c.size: c.sentence for c in claimed(numbers)}
    assert "It does as well as baseline would with 2." in sound[100]
    assert "not to be trusted" not in " ".join(sound.values())
    late = {c.size: c.sentence for c in claimed(numbers, unconverged=[("baseline", 1000, 0)])}
    doubt = "an upper bound, not to be trusted, since baseline had not converged at 1,000 pairs"
    assert doubt in late[300]
    assert doubt not in late[100], "between 100 and 300 pairs the curve had converged"
    assert "times the pairs" not in late[1000], "no baseline is as large as it would need"
    early = {c.size: c.sentence for c in claimed(numbers, unconverged=[("local", 100, 0)])}
    assert "not to be trusted, since local itself had not converged" in early[100]


def test_the_reason_for_missing_intervals_is_given_once_for_all_or_by_arm(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(
        *ablation({"baseline": {300: BASE}, "local": {300: [0.15] * 3}, "weak": {300: [0.14, 0.15, 0.16]}})
    )
    assert "because no results of queries were found" in rule(join(sweep, cells))
    del queries["local-300-0"]
    results = join(sweep, cells, queries.get)
    assert "Holm" in rule(results)
    by_arm = {f.arm: f.sentence for f in findings(results)}
    assert "The difference has no interval, because a run of local lacks the results" in by_arm["local"]
    assert "95 % interval" in by_arm["weak"]


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
def test_too_few_or_too_varied_replicates_are_not_evidence_and_the_sentence_gives_the_reason(
    ablation: Callable[..., Sweep], values: list[float], reason: str
) -> None:
    sweep = ablation({"baseline": {300: BASE}, "local": {300: values}})
    (claim,) = claims(*sweep)
    assert claim.verdict == "no evidence"
    assert f"this is not yet evidence of a difference, because {reason}" in claim.sentence
    assert "helped" not in claim.sentence + headline(*sweep)


def test_an_arm_is_only_compared_with_the_baselines_own_replicates(ablation: Callable[..., Sweep]) -> None:
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


def test_the_baseline_under_another_name_is_recognised_and_never_helps(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "null": {300: BASE}})
    (claim,) = claims(sweep, cells)
    assert claim.verdict == "same run"
    assert "gave exactly the same numbers as baseline" in claim.sentence
    assert "The one comparison with baseline is not evidence" in headline(sweep, cells)


def test_equal_scores_of_different_runs_are_not_called_the_same_run(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: BASE}})
    for key, record in cells.items():
        if key.startswith("local"):
            history = tuple(v.model_copy(update={"metrics": v.metrics | {"train/loss": 9.0}}) for v in record.history)
            cells[key] = record.model_copy(update={"history": history})
    assert claims(sweep, cells)[0].verdict == "no evidence"


def test_validation_numbers_are_compared_if_some_cells_have_no_test_numbers(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}})
    cells["local-300-1"] = cells["local-300-1"].model_copy(update={"final": {}})
    results = join(sweep, cells)
    assert results.metric == "val/text_to_image/recall_at_10"
    assert "19.4 % against 13.3 %" in claims(sweep, cells)[0].sentence


def test_the_number_of_a_searchs_winner_is_called_optimistic(search: Callable[..., Sweep]) -> None:
    text = headline(*search([0.1, 0.3, 0.2, 0.15]))
    assert "The best of 4 measured trials is trial 1: 30.0 % validation" in text
    assert "the median trial reached 17.5 %" in text
    assert "optimistic by an unknown amount: it is the best of 4" in text
    assert "On the test split, read once and only for this trial, it reached 27.0 %" in text


def test_the_sentence_of_a_single_trial_states_its_convergence(one_trial: Sweep) -> None:
    text = headline(*one_trial)
    assert "18.0 % test recall@10" in text
    assert "it had not converged" in text
    assert "chance is 2.5 % among 400 candidates" in text


def test_an_arm_without_an_interval_beside_others_has_no_evidence_however_clear_its_replicates(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.19]}, "weak": {300: [0.14, 0.15, 0.16]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    del queries["local-300-0"]
    by_arm = {f.arm: f for f in findings(join(sweep, cells, queries.get))}
    assert by_arm["local"].verdict == "no evidence"
    assert (
        "not evidence of a difference. The difference has no interval, because a run of local lacks"
        in by_arm["local"].sentence
    )
    queries = {key: found for key, found in queries.items() if not key.startswith("baseline")}
    results = join(sweep, cells, queries.get)
    assert {f.verdict for f in findings(results) if f.arm} == {"no evidence"}, "arms have levels, none a difference"
    assert "Holm" in rule(results)


def test_a_sentence_counts_and_names_the_runs_that_its_interval_rests_on(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: [*BASE, 0.14]}, "local": {300: [0.18, 0.20, 0.19, 0.3]}}
    sweep, cells, queries = with_queries(*ablation(numbers))

    def claim(starts: dict[int, tuple[int, int]]) -> Finding:
        planned = tuple(
            c.model_copy(update=dict(zip(("subset_seed", "init_seed"), starts[int(c.key[-1])], strict=True)))
            for c in sweep.cells
        )
        results = join(sweep.model_copy(update={"cells": planned}), cells, queries.get)
        return next(f for f in findings(results) if f.arm)

    unequal = claim({0: (0, 0), 1: (1, 0), 2: (2, 0), 3: (2, 1)})
    assert unequal.cells == (4, 5, 6, 0, 1, 2), "the second start of one subset is left out"
    assert "19.0 % against 13.0 %" in unequal.beside
    assert "3 replicates, all cells converged" in unequal.beside
    equal = claim({0: (0, 0), 1: (0, 1), 2: (1, 0), 3: (1, 1)})
    assert equal.cells == (4, 5, 6, 7, 0, 1, 2, 3)
    assert "4 replicates on 2 subsets of studies, and only these count as independent" in equal.beside
