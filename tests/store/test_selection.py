"""Selection of the best trial, and other results from the records of a sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import pytest

from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import Reason, Selection, allowed, how_it_ended, is_complete, select_best, statistics

SELECT = "val/text_to_image/recall_at_10"
TEST = "test/text_to_image/recall_at_10"


def record(key: str, score: float, status: str = "finished", pairs: int = 100, test: float | None = None) -> CellRecord:
    return CellRecord.model_validate(
        {
            "key": key,
            "trial": {},
            "status": status,
            "pairs": pairs,
            "best": {SELECT: score},
            "final": {} if test is None else {TEST: test},
        }
    )


def cells(*keys: str, arm: str = "") -> list[PlannedCell]:
    return [PlannedCell(key=key, arm=arm, number=number) for number, key in enumerate(keys)]


def test_a_record_without_the_test_split_is_incomplete_if_the_design_reads_it() -> None:
    assert is_complete(record("a", 0.1), read_test=False)
    assert not is_complete(record("a", 0.1), read_test=True)
    assert is_complete(record("a", 0.1, test=0.2), read_test=True)
    assert not is_complete(record("a", 0.1, "stopped"), read_test=False)


def sweep(
    kind: Literal["ablation", "search", "train"], planned: Sequence[PlannedCell], select: str = SELECT
) -> SweepRecord:
    return SweepRecord(
        id="x", name="x", kind=kind, experiment={}, select=select, cells=tuple(planned), baseline="baseline"
    )


def search(keys: str, records: dict[str, CellRecord], select: str = SELECT) -> Selection:
    planned = cells(*keys)
    return select_best(sweep("search", planned, select), planned, records)


def ablation(
    scores: dict[str, list[float]], better: Sequence[str] = (), ruled_out: Sequence[str] = (), status: str = "finished"
) -> Selection:
    """Select from {arm: [score of each replicate]}, all on 100 pairs; a replicate's key is `arm 0`."""
    planned, records = [], {}
    for arm, values in scores.items():
        for seed, value in enumerate(values):
            key = f"{arm} {seed}"
            planned.append(PlannedCell(key=key, arm=arm, pairs=100, subset_seed=seed, number=len(planned)))
            records[key] = record(key, value, status)
    chosen = [[(arm, 100) for arm in arms] for arms in (better, ruled_out)]
    return select_best(sweep("ablation", planned), planned, records, *chosen)


def keys(chosen: Selection) -> tuple[str | None, str | None]:
    return tuple(cell.key if cell else None for cell in (chosen.recommended, chosen.candidate))  # type: ignore[return-value]


def test_a_searchs_best_trial_is_selected_on_the_validation_split_only() -> None:
    records = {"a": record("a", 0.3, test=0.1), "b": record("b", 0.2, test=0.9), "c": record("c", 0.9, "stopped")}
    assert keys(search("abc", records)) == ("a", None)


def test_the_first_of_equal_trials_is_the_best() -> None:
    assert keys(search("ab", {"a": record("a", 0.3), "b": record("b", 0.3)})) == ("a", None)


def test_a_trial_on_a_lower_rung_is_never_the_best() -> None:
    planned = cells("a", "b")
    planned[0] = planned[0].model_copy(update={"lower_rung": True})
    records = {"a": record("a", 0.9), "b": record("b", 0.1)}
    assert keys(select_best(sweep("search", planned), planned, records)) == ("b", None)


def test_the_lowest_rank_wins_if_lower_is_better() -> None:
    rank = "val/text_to_image/median_rank"
    records = {
        key: record(key, 0).model_copy(update={"best": {rank: value}}) for key, value in (("a", 9.0), ("b", 4.0))
    }
    assert keys(search("ab", records, rank)) == ("b", None)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_ignored(score: float) -> None:
    assert keys(search("ab", {"a": record("a", score), "b": record("b", 0.1)})) == ("b", None)


def test_nothing_finished_has_no_winner() -> None:
    assert search("a", {"a": record("a", 0.1, "failed")}) == Selection(Reason.NOTHING_FINISHED)
    assert search("a", {}) == Selection(Reason.NOTHING_FINISHED)
    assert ablation({"baseline": [0.1], "local": [0.2]}, ["local"], status="failed").recommended is None


def test_a_stopped_trial_is_at_most_a_candidate() -> None:
    assert keys(search("ab", {"a": record("a", 0.1, "stopped"), "b": record("b", 0.2, "stopped")})) == (None, "b")


def test_a_lucky_replicate_does_not_win_against_a_better_mean() -> None:
    scores = {"baseline": [0.2, 0.2], "lucky": [0.1, 0.5], "steady": [0.4, 0.4]}
    assert keys(ablation(scores, better=["lucky", "steady"])) == ("steady 0", None)


def test_an_arm_is_represented_by_its_first_replicate_and_not_by_its_best() -> None:
    assert keys(ablation({"baseline": [0.1, 0.1], "local": [0.3, 0.9]}, better=["local"])) == ("local 0", None)


def test_without_evidence_the_baseline_is_kept_and_the_arm_that_leads_is_the_candidate() -> None:
    chosen = ablation({"local": [0.4, 0.4], "baseline": [0.2, 0.2]})
    assert (chosen.reason, keys(chosen)) == (Reason.BASELINE_KEPT, ("baseline 0", "local 0"))


def test_the_first_in_the_order_of_validation_that_is_shown_to_be_better_is_recommended() -> None:
    chosen = ablation({"baseline": [0.1], "a": [0.4], "b": [0.3], "c": [0.2]}, better=["b", "c"])
    assert (chosen.reason, keys(chosen)) == (Reason.SHOWN_BETTER, ("b 0", "a 0"))
    assert [cell.arm for cell in chosen.contenders] == ["a", "b", "c", "baseline"]


def test_evidence_does_not_recommend_an_arm_behind_the_baseline_on_validation() -> None:
    chosen = ablation({"baseline": [0.3], "local": [0.2]}, better=["local"])
    assert (chosen.reason, keys(chosen)) == (Reason.BASELINE_IS_BEST, ("baseline 0", None))


def test_an_arm_that_is_ruled_out_is_not_a_candidate() -> None:
    chosen = ablation({"baseline": [0.1], "worse": [0.4]}, ruled_out=["worse"])
    assert (chosen.reason, keys(chosen)) == (Reason.BASELINE_KEPT, ("baseline 0", None))


def test_equal_arms_are_ranked_baseline_first_and_then_by_the_plan() -> None:
    even = {"a": [0.1, 0.2], "b": [0.2, 0.1], "baseline": [0.15, 0.15]}  # the same means up to rounding of sums
    assert keys(ablation({**even, "baseline": [0.2, 0.1]}, better=["a", "b"])) == ("baseline 0", None)
    assert keys(ablation({**even, "baseline": [0.1, 0.1]}, better=["a", "b"])) == ("a 0", None)
    assert keys(ablation({**even, "baseline": [0.1, 0.1]}, better=["b"])) == ("b 0", "a 0")


def test_the_largest_size_with_numbers_decides() -> None:
    small, large = record("small", 0.9, pairs=10), record("large", 0.2, pairs=100)
    planned = [
        PlannedCell(key=key, arm="baseline", pairs=pairs, number=number)
        for number, (key, pairs) in enumerate({"small": 10, "large": 100, "all": None}.items())
    ]
    of = sweep("ablation", planned)
    assert keys(select_best(of, planned, {"small": small, "large": large})) == ("large", None)
    everything = {"small": small, "large": large, "all": record("all", 0.1)}
    assert keys(select_best(of, planned, everything)) == ("all", None)
    failed = everything | {"all": record("all", 0.1, "failed")}
    assert keys(select_best(of, planned, failed)) == ("large", None)


def test_the_best_mean_is_recommended_if_the_baseline_has_no_number() -> None:
    chosen = ablation({"a": [0.2], "b": [0.3]}, better=["a"])
    assert (chosen.reason, keys(chosen)) == (Reason.NOT_COMPARED, ("b 0", None))


def test_a_failed_replicate_leaves_the_arm_to_the_others() -> None:
    planned = [PlannedCell(key=key, arm="baseline", pairs=100, number=n) for n, key in enumerate("ab")]
    records = {"a": record("a", 0.9, "failed"), "b": record("b", 0.2)}
    assert keys(select_best(sweep("ablation", planned), planned, records)) == ("b", None)


def test_only_the_best_trial_of_a_search_shows_its_test_results() -> None:
    records = {key: record(key, score, test=0.5) for key, score in zip("abc", (0.1, 0.3, 0.2), strict=True)}
    seen = allowed(sweep("search", cells(*"abc")), records)
    assert {key for key, found in seen.items() if found.final} == {"b"}


@pytest.mark.parametrize(
    ("keys", "whole", "ending"),
    [
        ("ab", True, "finished"),
        ("a", False, "interrupted"),
        ("abc", True, "interrupted"),
        ("b", True, "failed"),
        ("", True, "failed"),  # a tuned ablation in which no settings could be selected
    ],
)
def test_a_cell_without_a_record_means_interrupted(keys: str, whole: bool, ending: str) -> None:
    records = {"a": record("a", 0.1), "b": record("b", 0.1, "failed")}
    assert how_it_ended(cells(*keys), records, whole) == ending


def test_statistics_are_the_mean_and_deviation_over_replicates() -> None:
    records = {"a": record("a", 0.1, test=0.2), "b": record("b", 0.3, test=0.4), "c": record("c", 0.9, "failed")}
    found = statistics(sweep("ablation", cells("a", "b", "c", arm="local")), records)
    assert found[f"arm/local/100/{TEST}/mean"] == pytest.approx(0.3)
    assert found[f"arm/local/100/{SELECT}/deviation"] == pytest.approx(0.2 / 2**0.5)
    assert len(found) == 4
