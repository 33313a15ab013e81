from __future__ import annotations

import itertools

import numpy as np
import pytest

from radsweep.evaluation.statistics import Correction, Estimates, Multiplier, data_efficiency_multiplier
from radsweep.evaluation.statistics.interval_width import difference_of_sizes
from support.replicates import Model, named, unbounded

SIZES = (100, 300, 1000, 3000)


def curve(
    baseline: tuple[float, ...], method: float, *, sizes: tuple[int, ...] = SIZES, noise: float | list[float] = 0.001
) -> dict[int, Estimates]:
    """Means over 3 replicates made exact, each with the `noise` of its size; the method is measured at 300.

    `twin` is the baseline again, at 300.
    """
    rng = np.random.default_rng(0)
    by_size = {}
    for size, level, spread in zip(sizes, baseline, np.broadcast_to(noise, len(sizes)), strict=True):
        means = {"baseline": level} | ({"method": method} if size == 300 else {})
        values = {}
        for arm, mean in means.items():
            own = spread * rng.normal(size=(3, 50))
            values[arm] = mean + own - own.mean()
        if size == 300:
            values["twin"] = values["baseline"]
        by_size[size] = unbounded(values)
    return by_size


def found(by_size: dict[int, Estimates], arm: str = "method", **settings: object) -> Multiplier:
    result = data_efficiency_multiplier(by_size, arm, 300, "baseline", **settings)
    assert result is not None
    return result


RISING = (0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("method", "low", "high", "estimate"),
    [
        (0.25, 300, 1000, (300 * 1000) ** 0.5),  # half way in the logarithm
        (0.30, 300, 3000, 1000),  # as good as the baseline at 1,000: neither surely better nor surely worse there
        (0.12, 100, 300, 100 * 3**0.2),
        (0.40, 1000, None, 3000),
        (0.90, 3000, None, None),
        (0.05, None, 100, None),
    ],
)
def test_measured_sizes_bracket_the_size_that_the_baseline_would_need(
    method: float, low: int | None, high: int | None, estimate: float | None
) -> None:
    result = found(curve(RISING, method))
    for end, expected in ((result.low, low), (result.high, high), (result.estimate, estimate)):
        assert end == (None if expected is None else pytest.approx(expected / 300))
    assert (result.pairs, result.measured, result.seeds, result.level) == (300, SIZES, 3, 0.95)


def test_the_multiplier_covers_what_lies_between_its_ends() -> None:
    both, open_end = found(curve(RISING, 0.25)), found(curve(RISING, 0.9))
    assert [both.covers(times) for times in (0.9, 1, 2, 1000 / 300, 3.4)] == [False, True, True, True, False]
    assert [open_end.covers(times) for times in (9.9, 10, 50)] == [False, True, True]


def test_the_baseline_under_another_name_needs_as_many_pairs() -> None:
    result = found(curve(RISING, 0.25), "twin")
    assert (result.low, result.high, result.estimate) == pytest.approx((100 / 300, 1000 / 300, 1))


def test_row_6_a_baseline_that_falls_from_one_size_to_the_next_gives_no_multiplier() -> None:
    for falling in ((0.10, 0.26, 0.16, 0.3), (0.1, 0.2, 0.3, 0.29), (0.2, 0.1, 0.3, 0.4)):
        assert data_efficiency_multiplier(curve(falling, 0.9), "method", 300, "baseline") is None
    flat = found(curve((0.2, 0.2, 0.3, 0.4), 0.2))
    assert (flat.low, flat.high) == (None, 1000 / 300), "a flat curve does not fall"


def test_row_6_sizes_far_apart_bracket_a_multiplier_without_an_estimate() -> None:
    by_size = curve((0.1, 0.2, 0.4), 0.3, sizes=(100, 300, 3000))
    result = found(by_size)
    assert (result.low, result.high, result.estimate) == (1, 10, None)
    two = data_efficiency_multiplier(
        {100: by_size[100], 1000: unbounded({"baseline": np.full((3, 50), 0.3)}), 300: by_size[300].select(["method"])},
        "method",
        300,
        "baseline",
    )
    assert two is not None
    assert two.measured == (100, 1000)
    assert two.estimate is None


def test_sizes_are_tested_from_the_far_ends_until_one_is_not_decided() -> None:
    """Better at 3,000 does not count if 1,000 is not decided."""
    loud = found(curve((0.1, 0.2, 0.21, 0.22), 0.9, noise=[0.001, 0.001, 30, 0.001]))
    assert (loud.low, loud.high) == (1, None)
    lowest = found(curve((0.1, 0.2, 0.3, 0.4), 0.05, noise=[30, 0.001, 0.001, 0.001]))
    assert (lowest.low, lowest.high) == (None, 1)


def test_the_ends_are_those_of_intervals_at_the_corrected_level() -> None:
    by_size = curve((0.10, 0.11, 0.12, 0.13), 0.125, noise=0.05)
    for comparisons in (1, 10, 10**6):
        correction = Correction(comparisons=comparisons)
        result = found(by_size, correction=correction)
        better = []
        for size in SIZES:
            parts = difference_of_sizes(by_size[300], "method", by_size[size], "baseline")
            better.append(parts.estimate - parts.half_width(correction.alpha) > 0)
        shown = [size for size, _ in itertools.takewhile(lambda pair: pair[1], zip(SIZES, better, strict=True))]
        assert result.low == (shown[-1] / 300 if shown else None)
    assert found(by_size).low is not None
    assert result.low is None, "a stricter level never narrows the bracket"


def test_a_metric_that_is_better_when_lower_gives_the_same() -> None:
    up = found(curve(RISING, 0.25))
    down = found(curve(tuple(-v for v in RISING), -0.25), higher_is_better=False)
    assert (down.low, down.high, down.estimate) == pytest.approx((up.low, up.high, up.estimate))


def test_an_estimate_lies_within_its_bracket() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        baseline = tuple(np.sort(rng.random(4)).tolist())
        result = found(curve(baseline, float(rng.random()), noise=float(rng.choice([0.001, 0.1, 0.5]))))
        assert result.estimate is None or result.covers(result.estimate)


def test_the_bracket_covers_the_truth() -> None:
    """The baseline at 900 would do as well as the method at 300; 19 of 20 brackets say at least that it may."""
    repeats, covered, bounded = 250, 0, 0
    model = Model(replicate=0.3, seed=0.3, patient=1, arm_patient=0.5, noise=1)
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        ease_P, arm_AP = rng.normal(size=60), 0.5 * rng.normal(size=(2, 60))
        by_size = {}
        for size, level in zip(SIZES, (0.0, 1.1, 2.2, 3.3), strict=True):
            noise = model.draw(rng, 2, 3, 60) + ease_P + arm_AP[:, None]
            values_ARP = noise + level
            values_ARP[1] += 1.0
            arms = ("baseline", "method") if size == 300 else ("baseline",)
            by_size[size] = unbounded(dict(zip(arms, values_ARP, strict=False)))
        result = data_efficiency_multiplier(by_size, "method", 300, "baseline")
        truth = (1000 / 300) ** (1.0 / 1.1)
        covered += result is None or result.covers(truth)
        bounded += result is not None and (result.low or 0) >= 1
    assert covered / repeats >= 0.95 - 2 * (0.95 * 0.05 / repeats) ** 0.5
    assert bounded / repeats > 0.1, "the bracket is not trivial"


def test_a_baseline_at_a_single_size_is_an_error() -> None:
    by_size = curve(RISING, 0.25)
    with pytest.raises(ValueError, match="measured at 1 sizes"):
        data_efficiency_multiplier({300: by_size[300]}, "method", 300, "baseline")


def test_the_fewest_seeds_of_any_size_are_named() -> None:
    by_size = curve(RISING, 0.25)
    by_size[1000] = unbounded(named(np.full((1, 2, 50), 0.3)) | {"baseline": np.full((2, 50), 0.3)})
    assert found(by_size).seeds == 2
