"""Time left, compared with sums done by hand."""

from __future__ import annotations

import time

import pytest

from radsweep.cluster.trial_capacity import Capacity
from radsweep.store.records import CellRecord, PlannedCell
from radsweep.sweep.progress.time_left import TimeLeft


def time_left(slots: int = 1, cells: list[PlannedCell] | None = None, more: int = 0) -> TimeLeft:
    found = TimeLeft(lambda cell: Capacity(1 if cell.arm == "large" else slots, 1, 1, 0), lambda cell: cell.pairs or 1)
    found.expect(cells or [], more)
    return found


def cells(arm: str, pairs: int | None, number: int) -> list[PlannedCell]:
    return [PlannedCell(key=f"{arm}-{pairs}-{n}", arm=arm, pairs=pairs) for n in range(number)]


def took(seconds: float, status: str = "finished") -> CellRecord:
    return CellRecord.model_validate({"key": "", "trial": {}, "status": status, "seconds": {"total": seconds}})


def test_larger_sizes_take_longer_in_proportion_to_their_work() -> None:
    found = time_left(cells=[cell for size in (100, 300, 1000, 3000) for cell in cells("local", size, 2)])
    assert found.seconds() is None  # no trial has ended yet
    for size in (100, 300):
        for cell in cells("local", size, 2):
            found.ended(cell, took(0.1 * size))
    assert found.seconds() == pytest.approx(2 * 100 + 2 * 300)


def test_an_arm_takes_as_long_as_its_own_trials_and_failed_ones_are_not_used() -> None:
    found = time_left(cells=[*cells("local", 100, 3), *cells("baseline", 100, 2), *cells("new", 200, 1)])
    found.ended(cells("local", 100, 1)[0], took(30))
    found.ended(cells("local", 100, 2)[1], took(1, "failed"))
    found.ended(cells("baseline", 100, 1)[0], took(10))
    assert found.seconds() == pytest.approx(30 + 10 + 2 * 20)  # the new arm has the pace of all


def test_slots_share_the_remaining_trials_and_the_longest_is_awaited() -> None:
    found = time_left(4, [*cells("local", 100, 9), *cells("large", 100, 2)])
    found.ended(cells("local", 100, 1)[0], took(10))
    assert found.seconds() == pytest.approx(80 / 4 + 2 * 10)  # the large arm has one slot
    for cell in cells("local", 100, 8)[1:] + cells("large", 100, 2):
        found.ended(cell, took(10))
    assert found.seconds() == pytest.approx(10)  # not a fourth of it


def test_running_trials_have_done_part_of_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    found = time_left(1, cells("local", 100, 3))
    first, second, _ = cells("local", 100, 3)
    found.ended(first, took(10))
    found.started(second)
    for now[0], left in ((0, 20), (4, 16), (10, 10), (50, 10)):
        assert found.seconds() == pytest.approx(left)
    found.gone(second.key)  # cut short
    assert found.seconds() == pytest.approx(20)


def test_trials_of_a_search_take_their_average() -> None:
    found = time_left(2, more=10)
    for pairs, seconds in ((50, 10), (70, 30)):
        found.ended(cells("", pairs, 1)[0], took(seconds, "stopped"))
    assert found.seconds() == pytest.approx(8 * 20 / 2)
    assert time_left(2).seconds() is None
