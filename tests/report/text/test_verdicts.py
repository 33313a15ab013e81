from __future__ import annotations

import dataclasses
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


def test_an_open_comparison_says_what_it_could_have_shown_and_what_would_decide_it(
    claimed: Callable[..., list[Finding]],
) -> None:
    (claim,) = claimed({"baseline": {300: BASE}, "local": {300: [0.13, 0.16, 0.1325]}})
    assert claim.verdict == "open"
    assert claim.sentence.startswith("At 300 pairs, local is open: +1.1 points (95 % interval −")
    assert re.search(r"it would have shown a difference of \d+\.\d points; ", claim.sentence)
    assert re.search(r"about \d+ replicates in place of 3 would decide it|patients in place of 240", claim.sentence)


def test_an_interval_within_the_margin_is_no_difference_that_matters(claimed: Callable[..., list[Finding]]) -> None:
    numbers = {"baseline": {300: [0.12] * 9}, "local": {300: [0.12] * 3 + [0.1225, 0.125, 0.1175] * 2}}
    (claim,) = claimed(numbers, margin=10)
    assert claim.verdict == "equivalent"
    assert claim.sentence.startswith("At 300 pairs, local made no difference that matters: +0.1 points (95 % interval")
    assert claim.sentence.endswith("within ±10.0 points.")
    assert claimed(numbers, margin=None)[0].verdict == "open", "every difference matters"


def test_a_clear_difference_of_unconverged_cells_is_limited_to_this_much_training(
    claimed: Callable[..., list[Finding]],
) -> None:
    (claim,) = claimed(
        {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.19]}}, unconverged=[("baseline", 300, 1)]
    )
    assert claim.verdict == "not converged"
    assert "+6.0 points (95 % interval" in claim.sentence
    assert "but baseline (replicate 2) had not converged, so this is about this much training only" in claim.sentence


def test_one_replicate_never_helps_however_many_patients(claimed: Callable[..., list[Finding]]) -> None:
    (claim,) = claimed({"baseline": {300: [0.12]}, "local": {300: [0.40]}})
    assert claim.verdict == "cannot be claimed"
    assert "nothing is claimed, because one replicate does not show how much seeds vary" in claim.sentence


def test_row_3_two_replicates_of_two_arms_have_an_interval_and_no_claim(claimed: Callable[..., list[Finding]]) -> None:
    (claim,) = claimed({"baseline": {300: [0.12, 0.14]}, "local": {300: [0.40, 0.425]}})
    assert claim.verdict == "cannot be claimed"
    assert "(95 % interval" in claim.sentence
    assert "two replicates do not show how much seeds vary" in claim.sentence
    of_three = claimed({"baseline": {300: [0.12, 0.14]}, "local": {300: [0.40, 0.425]}, "weak": {300: [0.13, 0.16]}})
    assert of_three[0].verdict == "helped", "three arms show it together"


def test_row_11_failed_replicates_are_part_of_the_verdict(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: [*BASE, 0.13, 0.12]}, "local": {300: [0.18, 0.20, 0.19, 0.2, 0.2]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    failed = {key: cells[key].model_copy(update={"status": "failed"}) for key in ("local-300-3", "local-300-4")}
    claim = next(f for f in findings(join(sweep, cells | failed, queries.get)) if f.arm)
    assert claim.verdict == "cannot be claimed"
    assert "2 of 5 replicates of local failed, and those that did not may be the easy ones" in claim.sentence


def test_nothing_is_claimed_before_every_replicate_of_both_arms_has_ended(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    """A look at each new replicate would be one more chance to be wrong."""
    numbers = {"baseline": {300: [*BASE, 0.13]}, "local": {300: [0.18, 0.20, 0.19, 0.2]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    del cells["baseline-300-3"]
    claim = next(f for f in findings(join(sweep, cells, queries.get)) if f.arm)
    assert claim.verdict == "cannot be claimed"
    assert "because 1 of 4 replicates of baseline have not ended" in claim.sentence


def test_row_9_a_patient_with_half_of_the_queries_leaves_too_few_for_a_claim(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: BASE}, "local": {300: [0.4, 0.42, 0.41]}}))
    one = tuple("a" if n < 200 else f"b{n}" for n in range(400))
    queries = {key: dataclasses.replace(q, patient_ids=one) for key, q in queries.items()}
    claim = next(f for f in findings(join(sweep, cells, queries.get)) if f.arm)
    assert claim.verdict == "cannot be claimed"
    assert "the 201 test patients weigh no more than 4.0" in claim.sentence


def test_a_lower_metric_hurts_and_many_comparisons_raise_the_bar(claimed: Callable[..., list[Finding]]) -> None:
    hurt = claimed({"baseline": {300: BASE}, "local": {300: [0.06, 0.08, 0.07]}})
    assert hurt[0].verdict == "hurt"
    small = {300: [0.145, 0.17, 0.1475]}
    many = {f"other {n}": {300: [0.12 + n / 400, 0.14, 0.13 - n / 400]} for n in range(8)}
    alone = claimed({"baseline": {300: BASE}, "local": small})
    among = claimed({"baseline": {300: BASE}, "local": small, **many})
    assert alone[0].verdict == "helped"
    assert among[0].verdict == "open"
    assert "after correction for 9 comparisons" in among[0].beside


def test_row_6_a_multiplier_is_given_between_measured_sizes_and_not_trusted_before_convergence(
    claimed: Callable[..., list[Finding]],
) -> None:
    numbers = {
        "baseline": {100: [0.08, 0.09, 0.085], 300: [0.14, 0.15, 0.145], 1000: [0.25, 0.26, 0.255]},
        "local": {100: [0.18, 0.19, 0.185], 300: [0.32, 0.33, 0.325], 1000: [0.40, 0.41, 0.405]},
    }
    sound = {c.size: c.sentence for c in claimed(numbers)}
    assert "Baseline would need at least 3.0 and at most 10 times the pairs (about 4.6) for the same." in sound[100]
    assert "Baseline would need at least 3.3 times the pairs for the same." in sound[300]
    assert "times the pairs" not in sound[1000], "no baseline is as large as it would need"
    assert "not to be trusted" not in " ".join(sound.values())
    late = {c.size: c.sentence for c in claimed(numbers, unconverged=[("baseline", 1000, 0)])}
    assert "not to be trusted, since baseline had not converged at 1,000 pairs" in late[300]
    assert "upper bound" not in " ".join(late.values()), "the arm might do better with longer training too"


def test_row_6_a_baseline_that_falls_with_size_has_no_multiplier(claimed: Callable[..., list[Finding]]) -> None:
    numbers = {
        "baseline": {100: [0.10] * 3, 300: [0.26] * 3, 1000: [0.16] * 3},
        "local": {100: [0.30] * 3, 300: [0.40] * 3, 1000: [0.50] * 3},
    }
    assert "times the pairs" not in " ".join(c.sentence + c.beside for c in claimed(numbers))


def test_the_reason_for_missing_intervals_is_given_once_for_all_or_by_arm(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(
        *ablation({"baseline": {300: BASE}, "local": {300: [0.15] * 3}, "weak": {300: [0.14, 0.15, 0.16]}})
    )
    assert "missing: no results of queries were found" in rule(join(sweep, cells))
    queries = {key: found for key, found in queries.items() if not key.startswith("local")}
    results = join(sweep, cells, queries.get)
    assert "hold together" in rule(results)
    by_arm = {f.arm: f.sentence for f in findings(results)}
    assert "since it has no interval, because no run of local has the results" in by_arm["local"]
    assert "95 % interval" in by_arm["weak"]


def headline(sweep: SweepRecord, cells: dict[str, CellRecord]) -> str:
    return " ".join(f.sentence for f in findings(join(sweep, cells)) if not f.arm)


def test_row_8_without_intervals_nothing_is_claimed_however_clear_the_replicates(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    """Three deviations of three replicates were called clear in half of the reports over nothing."""
    numbers = {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}}
    for sweep, cells, queries in (
        (*ablation(numbers), {}),
        with_queries(*ablation(numbers, select="val/text_to_image/median_rank")),
    ):
        results = join(sweep, cells, queries.get)
        (claim,) = (f for f in findings(results) if f.arm)
        assert claim.verdict == "cannot be claimed"
        assert "No claim is made, because intervals are missing: " in rule(results)


def test_for_ranks_lower_is_better(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> None:
    numbers = {"baseline": {300: BASE}, "local": {300: [0.36, 0.38, 0.371]}}
    sweep, cells, queries = with_queries(*ablation(numbers, select="val/text_to_image/mean_rank"))
    for key, found in queries.items():
        mean = float(found.ranks["text_to_image"].mean())
        record = cells[key]
        cells[key] = record.model_copy(
            update={
                "final": record.final | {"test/text_to_image/mean_rank": mean},
                "best": record.best | {"val/text_to_image/mean_rank": mean},
            }
        )
    (claim,) = (f for f in findings(join(sweep, cells, queries.get)) if f.arm)
    assert claim.verdict == "helped"
    assert "local helped: −" in claim.sentence


def test_an_arm_is_only_compared_with_the_baselines_own_replicates(ablation: Callable[..., Sweep]) -> None:
    (claim,) = claims(*ablation({"baseline": {300: [0.10, 0.30, 0.50]}, "local": {300: [0.15]}}))
    assert "reached 15.0 % against 10.0 % for baseline, +5.0 points; nothing is claimed" in claim.sentence


def test_a_sentence_that_rests_on_unconverged_cells_names_them(claimed: Callable[..., list[Finding]]) -> None:
    late = [("baseline", 300, 0), ("baseline", 300, 2), ("local", 300, 0), ("local", 300, 1), ("local", 300, 2)]
    numbers = {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}}
    (claim,) = claimed(numbers, unconverged=late)
    assert claim.verdict == "not converged"
    assert "but baseline (replicates 1 and 3) and local (every replicate) had not converged" in claim.sentence


def test_unconverged_cells_of_another_size_do_not_spoil_a_comparison(claimed: Callable[..., list[Finding]]) -> None:
    numbers = {"baseline": {300: BASE, 100: BASE}, "local": {300: [0.22, 0.24, 0.23], 100: [0.22, 0.24, 0.23]}}
    by_size = {c.size: c.verdict for c in claimed(numbers, unconverged=[("baseline", 100, 0)])}
    assert by_size == {100: "not converged", 300: "helped"}


def test_the_baseline_under_another_name_is_recognised_and_never_helps(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "null": {300: BASE}})
    (claim,) = claims(sweep, cells)
    assert claim.verdict == "same run"
    assert "gave exactly the same numbers as baseline" in claim.sentence
    assert "The one comparison with baseline is the same run." in headline(sweep, cells)


def test_the_headline_answers_for_every_comparison_and_names_what_is_clear(
    claimed: Callable[..., list[Finding]], ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: BASE}, "local": {300: [0.22, 0.24, 0.23]}, "weak": {300: [0.13, 0.1425, 0.15]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    lead = findings(join(sweep, cells, queries.get))[0].sentence
    assert lead == "Of 2 comparisons with baseline: local helped at 300 pairs; 1 is open."


def test_equal_scores_of_different_runs_are_not_called_the_same_run(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: BASE}})
    for key, record in cells.items():
        if key.startswith("local"):
            history = tuple(v.model_copy(update={"metrics": v.metrics | {"train/loss": 9.0}}) for v in record.history)
            cells[key] = record.model_copy(update={"history": history})
    assert claims(sweep, cells)[0].verdict == "cannot be claimed"


def test_one_cell_of_twelve_without_a_test_number_leaves_the_others_on_the_test_split(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: [*BASE, 0.14, 0.12, 0.13]}, "local": {300: [0.18, 0.20, 0.191, 0.2, 0.18, 0.19]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    cells["local-300-1"] = cells["local-300-1"].model_copy(update={"final": {}})
    results = join(sweep, cells, queries.get)
    (claim,) = [f for f in findings(results) if f.arm]
    assert results.metric == "test/text_to_image/recall_at_10"
    assert claim.verdict == "helped"
    assert claim.beside.split(". Compute")[0].endswith("1 of 6 replicates of local without a test number")
    assert claim.cells == (6, 8, 9, 10, 11, 0, 2, 3, 4, 5)


def test_a_run_without_results_of_its_queries_is_left_out_of_the_intervals_of_its_arm(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: [*BASE, 0.12]}, "local": {300: [0.2] * 4}}))
    del queries["baseline-300-0"]
    results = join(sweep, cells, queries.get)
    (claim,) = [f for f in findings(results) if f.arm]
    assert (claim.verdict, claim.cells) == ("helped", (5, 6, 7, 1, 2, 3))
    assert "baseline, 300 pairs: intervals leave out 1 of 4 runs, without results of the queries." in (
        results.evidence.notes
    )


def test_validation_numbers_are_compared_if_no_cell_has_a_test_number(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.191]}})
    results = join(sweep, {key: cell.model_copy(update={"final": {}}) for key, cell in cells.items()})
    assert results.metric == "val/text_to_image/recall_at_10"


def test_the_number_of_a_searchs_winner_is_called_optimistic(search: Callable[..., Sweep]) -> None:
    text = headline(*search([0.1, 0.3, 0.2, 0.15]))
    assert "The best of 4 measured trials is trial 1: 30.0 % validation" in text
    assert "the median trial reached 17.5 %" in text
    assert "optimistic by an unknown amount: it is the best of 4" in text
    assert (
        "On the test split, which only this trial has read and which had no part in the choice, it reached 27.0 %; "
        "chance is"
    ) in text


def test_the_sentence_of_a_single_trial_states_its_convergence(one_trial: Sweep) -> None:
    text = headline(*one_trial)
    assert "18.0 % test recall@10" in text
    assert "it had not converged" in text
    assert "chance is 2.5 % among 400 candidates" in text


def test_nothing_is_claimed_of_an_arm_without_an_interval_beside_others(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {300: BASE}, "local": {300: [0.18, 0.20, 0.19]}, "weak": {300: [0.14, 0.15, 0.16]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    queries = {key: found for key, found in queries.items() if not key.startswith("local")}
    by_arm = {f.arm: f for f in findings(join(sweep, cells, queries.get))}
    assert by_arm["local"].verdict == "cannot be claimed"
    assert "nothing is claimed, since it has no interval, because no run of local has" in by_arm["local"].sentence
    queries = {key: found for key, found in queries.items() if not key.startswith("baseline")}
    results = join(sweep, cells, queries.get)
    assert {f.verdict for f in findings(results) if f.arm} == {"cannot be claimed"}, "arms have levels, no difference"


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
