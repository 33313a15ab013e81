"""What the records of a sweep say."""

from __future__ import annotations

import pytest

from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import how_it_ended, is_complete, statistics, winner

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


def test_a_record_without_the_test_split_is_incomplete_where_the_design_reads_it() -> None:
    assert is_complete(record("a", 0.1), read_test=False)
    assert not is_complete(record("a", 0.1), read_test=True)
    assert is_complete(record("a", 0.1, test=0.2), read_test=True)
    assert not is_complete(record("a", 0.1, "stopped"), read_test=False)


def test_the_winner_is_chosen_on_validation_whatever_the_test_split_says() -> None:
    records = {"a": record("a", 0.3, test=0.1), "b": record("b", 0.2, test=0.9), "c": record("c", 0.9, "stopped")}
    chosen = winner(cells("a", "b", "c"), records, SELECT)
    assert chosen is not None
    assert chosen.key == "a"


def test_of_an_ablation_the_winner_has_the_largest_size() -> None:
    records = {"small": record("small", 0.9, pairs=10), "large": record("large", 0.2, pairs=100)}
    chosen = winner(cells("small", "large", arm="baseline"), records, SELECT)
    assert chosen is not None
    assert chosen.key == "large"


def test_where_a_lower_rank_is_better_the_lowest_wins() -> None:
    rank = "val/text_to_image/median_rank"
    records = {
        key: record(key, 0).model_copy(update={"best": {rank: value}}) for key, value in (("a", 9.0), ("b", 4.0))
    }
    chosen = winner(cells("a", "b"), records, rank)
    assert chosen is not None
    assert chosen.key == "b"


def test_nothing_finished_has_no_winner() -> None:
    assert winner(cells("a"), {"a": record("a", 0.1, "failed")}, SELECT) is None


@pytest.mark.parametrize(
    ("keys", "whole", "ending"),
    [
        ("ab", True, "finished"),
        ("a", False, "interrupted"),
        ("abc", True, "interrupted"),
        ("b", True, "failed"),
        ("", True, "failed"),  # of a tuned ablation, where nothing could be chosen
    ],
)
def test_a_cell_without_a_record_means_interrupted(keys: str, whole: bool, ending: str) -> None:
    records = {"a": record("a", 0.1), "b": record("b", 0.1, "failed")}
    assert how_it_ended(cells(*keys), records, whole) == ending


def test_statistics_are_the_mean_and_deviation_over_replicates() -> None:
    records = {"a": record("a", 0.1, test=0.2), "b": record("b", 0.3, test=0.4), "c": record("c", 0.9, "failed")}
    sweep = SweepRecord(
        id="x", name="x", kind="ablation", experiment={}, select=SELECT, cells=tuple(cells("a", "b", "c", arm="local"))
    )
    found = statistics(sweep, records)
    assert found[f"arm/local/100/{TEST}/mean"] == pytest.approx(0.3)
    assert found[f"arm/local/100/{SELECT}/deviation"] == pytest.approx(0.2 / 2**0.5)
    assert len(found) == 4
