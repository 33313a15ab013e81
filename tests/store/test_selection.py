"""Selection of the best trial, and other results from the records of a sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import pytest

from radsweep.store.records import ArmSize, CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import (
    Reason,
    Selection,
    allowed,
    choices,
    how_it_ended,
    is_complete,
    select_best,
    statistics,
    without_choice,
)

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


def test_the_best_mean_is_recommended_if_the_plan_has_no_baseline() -> None:
    chosen = ablation({"a": [0.2], "b": [0.3]}, better=["a"])
    assert (chosen.reason, keys(chosen)) == (Reason.NOT_COMPARED, ("b 0", None))


def partly_failed(failed: dict[str, int], planned: int, better: Sequence[str] = ()) -> Selection:
    """Select from arms whose first replicates failed; arm `local` leads."""
    cells_of_all, records = [], {}
    for arm in failed:
        for seed in range(planned):
            key = f"{arm} {seed}"
            where = {"pairs": 100, "subset_seed": seed, "number": len(cells_of_all)}
            cells_of_all.append(PlannedCell(key=key, arm=arm, **where))
            score = 0.9 if arm == "local" else 0.1
            records[key] = record(key, score, "failed" if seed < failed[arm] else "finished")
    return select_best(sweep("ablation", cells_of_all), cells_of_all, records, [(arm, 100) for arm in better])


def test_an_arm_of_which_more_than_a_tenth_failed_is_neither_recommended_nor_the_candidate() -> None:
    for better in ([], ["local"]):
        chosen = partly_failed({"baseline": 0, "local": 3}, 5, better)
        assert (chosen.reason, keys(chosen)) == (Reason.BASELINE_IS_BEST, ("baseline 0", None))
        assert [(one.arm, one.failed, one.planned) for one in chosen.failed] == [("local", 3, 5)]
        assert [cell.arm for cell in chosen.contenders] == ["baseline"]


def test_a_tenth_of_the_replicates_may_fail() -> None:
    chosen = partly_failed({"baseline": 0, "local": 1}, 10, ["local"])
    assert (chosen.reason, keys(chosen), chosen.failed) == (Reason.SHOWN_BETTER, ("local 1", None), ())
    assert partly_failed({"baseline": 1, "local": 0}, 10).reason == Reason.BASELINE_KEPT


def test_a_baseline_that_failed_too_often_is_not_recommended_either() -> None:
    chosen = partly_failed({"baseline": 3, "local": 0}, 5)
    assert (chosen.reason, keys(chosen)) == (Reason.BASELINE_FAILED, (None, "local 0"))
    assert partly_failed({"baseline": 3, "local": 0}, 5, ["local"]).reason == Reason.SHOWN_BETTER
    everywhere = partly_failed({"baseline": 5, "local": 0}, 5)
    assert (everywhere.reason, keys(everywhere)) == (Reason.BASELINE_FAILED, (None, None))
    assert [(one.arm, one.failed) for one in everywhere.failed] == [("baseline", 5)]


def test_a_replicate_without_a_finite_number_counts_as_failed() -> None:
    chosen = ablation({"baseline": [0.1, 0.1], "local": [0.9, math.nan]}, better=["local"])
    assert (chosen.reason, [one.arm for one in chosen.failed]) == (Reason.BASELINE_IS_BEST, ["local"])


SIZES = {"baseline": (100, 300), "local": (100, 300), "global": (100, 300)}


def under_way(missing: Sequence[str], better: Sequence[ArmSize] = ()) -> Selection:
    """Select from 3 arms x 2 sizes x 2 replicates, of which `missing` (`arm size replicate`) have no record."""
    planned = [
        PlannedCell(key=f"{arm} {pairs} {seed}", arm=arm, pairs=pairs, subset_seed=seed)
        for arm, sizes in SIZES.items()
        for pairs in sizes
        for seed in range(2)
    ]
    planned = [cell.model_copy(update={"number": number}) for number, cell in enumerate(planned)]
    scores = {"baseline": 0.1, "local": 0.2, "global": 0.3}
    records = {c.key: record(c.key, scores[c.arm]) for c in planned if c.key not in missing}
    return select_best(sweep("ablation", planned), planned, records, better)


def test_the_largest_size_at_which_the_baseline_and_another_arm_are_complete_decides() -> None:
    everything = under_way([], [("global", 300)])
    assert (keys(everything), everything.waiting) == (("global 300 0", None), ())
    chosen = under_way(["baseline 300 1"], [("global", 300)])
    assert keys(chosen) == ("baseline 100 0", "global 100 0"), "one arm without its baseline decides nothing"
    assert [(one.arm, one.pairs, one.ended, one.planned) for one in chosen.waiting] == [("baseline", 300, 1, 2)]
    assert keys(under_way(["local 300 0", "global 300 0"])) == ("baseline 100 0", "global 100 0")


def test_an_arm_that_is_incomplete_is_not_ranked() -> None:
    chosen = under_way(["global 300 1"], [("global", 300), ("local", 300)])
    assert keys(chosen) == ("local 300 0", None)
    assert [cell.arm for cell in chosen.contenders] == ["local", "baseline"]
    assert [(one.arm, one.pairs) for one in chosen.waiting] == [("global", 300)]


def test_without_a_complete_size_nothing_is_recommended_and_what_is_missing_is_listed() -> None:
    chosen = under_way(["baseline 100 0", "baseline 300 0", "local 300 1"], [("global", 100)])
    assert (chosen.reason, keys(chosen), chosen.leader) == (Reason.NO_SIZE_COMPLETE, (None, None), None)
    assert [(one.arm, one.pairs) for one in chosen.waiting] == [("baseline", 100), ("baseline", 300), ("local", 300)]


def test_a_larger_size_may_still_decide_between_its_arms() -> None:
    chosen = under_way(["baseline 300 0"])
    assert {cell.key for cell in chosen.undecided if cell.pairs == 300} == {
        "baseline 300 1", "local 300 0", "global 300 0"
    }  # fmt: skip


def test_a_failed_replicate_has_ended() -> None:
    planned = [PlannedCell(key=f"{arm} {n}", arm=arm, subset_seed=n) for arm in ("baseline", "local") for n in range(2)]
    records = {cell.key: record(cell.key, 0.1, "failed" if cell.key == "local 1" else "finished") for cell in planned}
    assert keys(select_best(sweep("ablation", planned), planned, records)) == ("baseline 0", None)


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


def tries(*replicates: int | None) -> list[PlannedCell]:
    """Two points of a tuning for each replicate; keys are `replicate point`."""
    return [
        PlannedCell(
            key=f"{replicate} {point}", arm="local", pairs=100, tuning=point, tuned={"x": point}, number=point,
            tuning_replicate=replicate,
        )
        for replicate in replicates
        for point in range(2)
    ]  # fmt: skip


def test_each_replicate_chooses_among_its_own_trials() -> None:
    scores = {"0 0": 0.3, "0 1": 0.2, "1 0": 0.1, "1 1": 0.9}
    records = {key: record(key, score) for key, score in scores.items()}
    assert choices(tries(0, 1), records, SELECT) == {("local", 100, 0): {"x": 0}, ("local", 100, 1): {"x": 1}}


@pytest.mark.parametrize(
    ("replicates", "failed", "starts"),
    [
        ((None,), ("None 0", "None 1"), ["local at 100 pairs is left out: none of its 2 tuning trials finished."]),
        (
            (0, 1, 2),
            ("1 0", "1 1", "2 0", "2 1", "0 0"),
            ["local at 100 pairs is left out of replicates 2, 3: none of its 4 tuning trials there finished."],
        ),
        ((0, 1), ("0 0", "0 1", "1 0", "1 1"), ["local at 100 pairs is left out: none of its 4 tuning"]),
        ((0, 1), ("0 0",), []),
    ],
)
def test_a_tuning_without_a_choice_is_reported(
    replicates: tuple[int | None, ...], failed: tuple[str, ...], starts: list[str]
) -> None:
    tuning = tries(*replicates)
    records = {cell.key: record(cell.key, 0.1, "failed" if cell.key in failed else "finished") for cell in tuning}
    notes = list(without_choice(tuning, records, choices(tuning, records, SELECT)))
    assert len(notes) == len(starts)
    assert all(note.startswith(start) for note, start in zip(notes, starts, strict=True))
