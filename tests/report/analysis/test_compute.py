from __future__ import annotations

from collections.abc import Callable

import pytest

from radsweep.report.analysis.compute import gain, relative
from radsweep.report.analysis.results import join
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
NUMBERS = {"baseline": {100: [0.1], 300: [0.2]}, "adapted": {100: [0.2], 300: [0.3]}}


def test_adaptation_counts_in_full_for_each_run_that_starts_from_it(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    stage = cells["baseline-100-0"].model_copy(update={"steps": 500, "seconds": {"training": 60.0, "total": 68.0}})
    cells["adapted-100-0"] = cells["adapted-100-0"].model_copy(update={"stages": {"image": "st"}})
    cells["adapted-300-0"] = cells["adapted-300-0"].model_copy(update={"stages": {"image": "st"}, "steps": 300})
    results = join(sweep, cells, stages={"st": stage})
    small = relative(results, "adapted", [100])
    assert small is not None
    assert (small.steps, small.seconds, small.complete) == (6.0, (34 + 68) / 34, True)
    both = relative(results, "adapted", [100, 300])
    assert both is not None
    assert both.steps == pytest.approx((600 + 800) / 200)
    unknown = relative(join(sweep, cells), "adapted", [100])
    assert unknown is not None
    assert unknown.shown == "at least 1.0 ×"


def test_an_arm_without_a_baseline_or_times_is_not_compared(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    assert relative(join(sweep.model_copy(update={"baseline": ""}), cells), "adapted", [100]) is None
    timeless = {key: record.model_copy(update={"seconds": {}}) for key, record in cells.items()}
    assert relative(join(sweep, timeless), "adapted", [100]) is None


def test_a_gain_is_divided_by_the_hours_of_all_devices_of_a_run_and_its_adaptation(
    ablation: Callable[..., Sweep],
) -> None:
    sweep, cells = ablation(NUMBERS)
    stage = cells["baseline-100-0"].model_copy(update={"seconds": {"total": 1800.0}, "workers": 1})
    run = {"stages": {"image": "st"}, "seconds": {"total": 900.0}, "workers": 2, "device": "cuda"}
    cells["adapted-100-0"] = cells["adapted-100-0"].model_copy(update=run)
    results = join(sweep, cells, stages={"st": stage})
    group = results.group("adapted", 100)
    assert group is not None
    found = gain(results, group, 0.1)
    assert found is not None
    assert (found.per_hour, found.device) == (pytest.approx(0.1), "GPU")
    assert gain(join(sweep, cells), group, 0.1) is None, "the hours of the adaptation are not known"
    on_cpu = results.group("adapted", 300)
    assert on_cpu is not None
    other = gain(results, on_cpu, -0.1)
    assert other is not None
    assert (other.per_hour, other.device) == (pytest.approx(-0.1 * 3600 / 34), "CPU")
