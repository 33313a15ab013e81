from __future__ import annotations

import numpy as np
import pytest
from radsweep.evaluation.statistics.curves import crossing, monotone
from sklearn.isotonic import IsotonicRegression

from radsweep.evaluation.statistics import (
    Estimates,
    PatientResamples,
    data_efficiency_multiplier,
    estimate_means,
    learning_curve,
    level_interval,
)

SIZES = (100, 300, 1000, 3000)
AT = np.log(SIZES)


def curve(
    baseline: tuple[float, ...], method: float, *, noise: float = 0.02, replicates: int = 3, sign: float = 1.0
) -> dict[int, Estimates]:
    """Baseline at every size, `method` and `twin` (the baseline again) at 300; 50 queries of 50 patients."""
    rng = np.random.default_rng(0)
    resamples = PatientResamples.draw(np.arange(50))
    shared = noise * 5 * rng.normal(size=50)
    shared -= shared.mean()
    by_size = {}
    for size, level in zip(SIZES, baseline, strict=True):
        means = {"baseline": level} | ({"method": method} if size == 300 else {})
        values = {}
        for arm, mean in means.items():
            own = noise * rng.normal(size=(replicates, 50))
            values[arm] = sign * (mean + own - own.mean() + shared)
        if size == 300:
            values["twin"] = values["baseline"]
        by_size[size] = estimate_means(values, resamples)
    return by_size


def test_monotone_is_scikit_learns_isotonic_regression() -> None:
    values = np.random.default_rng(0).integers(0, 5, size=(40, 6)).astype(float)
    expected = [IsotonicRegression().fit_transform(np.arange(6), row) for row in values]
    found = monotone(values)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (np.diff(found) >= 0).all()


def test_a_flat_curve_is_its_own_monotone_fit() -> None:
    flat = np.repeat(np.random.default_rng(0).random((500, 1)), 7, axis=1)
    np.testing.assert_array_equal(monotone(flat), flat)


def test_crossing_is_where_the_line_between_two_points_passes_the_value() -> None:
    rng = np.random.default_rng(1)
    fit = np.sort(rng.random((200, 4)), axis=1)
    value = rng.random(200)
    found = crossing(fit, AT, value)
    for row, v, x in zip(fit, value, found, strict=True):
        if v < row[0]:
            assert x == -np.inf
        elif v > row[-1]:
            assert x == np.inf
        else:
            assert np.interp(x, AT, row) == pytest.approx(v)
    flat = np.array([[0.1, 0.2, 0.2, 0.3]])
    for v, x in ((0.2, (AT[1] + AT[2]) / 2), (0.1, AT[0]), (0.3, AT[3]), (0.25, (AT[2] + AT[3]) / 2)):
        assert crossing(flat, AT, np.array([v]))[0] == pytest.approx(x)
    assert crossing(np.full((1, 4), 0.5), AT, np.array([0.5]))[0] == pytest.approx((AT[0] + AT[3]) / 2)


def test_the_multiplier_reads_the_baselines_curve_at_the_methods_score() -> None:
    found = data_efficiency_multiplier(curve((0.1, 0.2, 0.3, 0.4), 0.3), "method", 300, "baseline")
    assert found.estimate == pytest.approx(1000 / 300)
    assert found.low < 1000 / 300 < found.high
    assert {found.beyond, found.low_beyond, found.high_beyond} == {""}
    assert found.covers(3.2)
    assert not found.covers(1)
    assert (found.pairs, found.measured, found.seeds, found.patients, found.queries) == (300, SIZES, 3, 50, 50)
    halfway = data_efficiency_multiplier(curve((0.1, 0.2, 0.3, 0.4), 0.25), "method", 300, "baseline")
    assert halfway.estimate == pytest.approx((1000 / 300) ** 0.5)


def test_the_baseline_under_another_name_needs_as_many_pairs() -> None:
    found = data_efficiency_multiplier(curve((0.1, 0.2, 0.3, 0.4), 0.3), "twin", 300, "baseline")
    assert (found.estimate, found.low, found.high) == pytest.approx((1, 1, 1))


def test_beyond_the_measured_range_nothing_is_extrapolated() -> None:
    above = data_efficiency_multiplier(curve((0.1, 0.2, 0.3, 0.4), 0.9), "method", 300, "baseline")
    assert (above.estimate, above.low, above.high) == pytest.approx((10, 10, 10))
    assert (above.beyond, above.low_beyond, above.high_beyond, above.share_above) == ("above", "above", "above", 1.0)
    assert above.covers(50)
    assert not above.covers(9)
    below = data_efficiency_multiplier(curve((0.2, 0.3, 0.4, 0.5), 0.01), "method", 300, "baseline")
    assert (below.estimate, below.beyond, below.share_below) == (pytest.approx(1 / 3), "below", 1.0)
    assert below.covers(0.1)
    edge = data_efficiency_multiplier(curve((0.1, 0.2, 0.3, 0.4), 0.4), "method", 300, "baseline")
    assert (edge.beyond, edge.high_beyond, edge.low_beyond) == ("", "above", "")
    assert edge.share_above == pytest.approx(0.5, abs=0.1)
    assert edge.low < 10 == pytest.approx(edge.high)


def test_a_dip_in_the_baseline_is_levelled() -> None:
    found = data_efficiency_multiplier(curve((0.1, 0.32, 0.28, 0.4), 0.35), "method", 300, "baseline")
    fit = IsotonicRegression().fit_transform(AT, [0.1, 0.32, 0.28, 0.4])
    assert found.estimate == pytest.approx(np.exp(np.interp(0.35, fit[2:], AT[2:])) / 300)


def test_a_metric_that_is_better_when_lower_gives_the_same() -> None:
    up = data_efficiency_multiplier(curve((0.1, 0.2, 0.3, 0.4), 0.3), "method", 300, "baseline")
    falling = curve((0.1, 0.2, 0.3, 0.4), 0.3, sign=-1.0)
    down = data_efficiency_multiplier(falling, "method", 300, "baseline", higher_is_better=False)
    assert (down.estimate, down.low, down.high) == pytest.approx((up.estimate, up.low, up.high), rel=0.05)


def test_seeds_widen_the_interval_and_one_seed_only_leaves_patients() -> None:
    rng = np.random.default_rng(0)
    resamples = PatientResamples.draw(np.arange(200))
    patients = 0.05 * rng.normal(size=200)
    widths = []
    for seeds in (np.zeros(3), np.array([-0.04, 0.0, 0.04]), np.zeros(1)):
        by_size = {
            size: estimate_means(
                {
                    arm: level + rng.permutation(seeds)[:, None] + patients + 0.02 * rng.normal(size=(len(seeds), 200))
                    for arm, level in (("baseline", base), ("method", base + 0.1), ("other", base))
                },
                resamples,
            )
            for size, base in zip(SIZES, (0.1, 0.2, 0.3, 0.4), strict=True)
        }
        found = data_efficiency_multiplier(by_size, "method", 300, "baseline")
        assert found.seeds == len(seeds)
        widths.append(np.log(found.high / found.low))
    assert widths[1] > 3 * widths[0]
    assert widths[2] > 0


def test_what_cannot_be_estimated_is_an_error() -> None:
    by_size = curve((0.1, 0.2, 0.3, 0.4), 0.3)
    with pytest.raises(ValueError, match="measured at 1 sizes"):
        data_efficiency_multiplier({300: by_size[300]}, "method", 300, "baseline")
    other = estimate_means({"baseline": np.ones((3, 50))}, PatientResamples.draw(np.arange(50), count=10))
    with pytest.raises(ValueError, match="differ in their resamples"):
        data_efficiency_multiplier(by_size | {100: other}, "method", 300, "baseline")


def test_a_learning_curve_has_the_interval_of_each_size_that_the_arm_was_run_at() -> None:
    by_size = curve((0.1, 0.2, 0.3, 0.4), 0.3)
    points = learning_curve(by_size, "baseline")
    assert [p.pairs for p in points] == list(SIZES)
    assert [p.interval for p in points] == [level_interval(by_size[size], "baseline") for size in SIZES]
    assert [p.pairs for p in learning_curve(by_size, "method")] == [300]
