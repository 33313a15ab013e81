from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from radsweep.evaluation.statistics import Correction, Difference, difference, outlook
from radsweep.evaluation.statistics.interval_width import Components
from radsweep.evaluation.statistics.multiplicity import PLANNED
from radsweep.evaluation.statistics.planning import MOST_SEEDS, needed_half_width, stops, with_seeds
from radsweep.evaluation.statistics.seeds import VariancePart
from support.replicates import Model, named, unbounded

SEEDS_MATTER = Model(seed=0.3, arm_patient=0.3, noise=0.5)
PATIENTS_MATTER = Model(seed=0.02, arm_patient=1, noise=0.3)


def compared(
    model: Model, seed: int, replicates: int = 3, patients: int = 100, shift: float = 0.0, look: int = 1
) -> Difference:
    """The first of 4 arms against the second."""
    rng = np.random.default_rng(seed)
    estimates = unbounded(named(model.draw(rng, 4, replicates, patients, shift)))
    return difference(estimates, "a0", "a1", Correction(look=look))


@pytest.mark.parametrize("seed", range(5))
def test_the_seeds_proposed_are_the_fewest_whose_interval_would_decide(seed: int) -> None:
    """The formula written out for arms whose patients all give the same: only seeds vary."""
    value_AR = np.random.default_rng(seed).normal(size=(4, 3))
    value_AR[0] += 1.2
    change = difference(unbounded(named(np.repeat(value_AR[:, :, None], 5, axis=2))), "a0", "a1")
    assert change.seed_degrees is not None
    spread = 3 * change.parts.seed_variance

    def half(seeds: int) -> float:
        alpha = 0.05 * (1 - PLANNED) / 2  # the first look that was not planned
        degrees = change.seed_degrees * (seeds - 1) / 2
        return float(stats.t.ppf(1 - alpha / 2, degrees) * (spread / seeds) ** 0.5)

    decides = [n for n in range(4, MOST_SEEDS + 1) if half(n) < abs(change.estimate)]
    assert outlook(change, 0.0).seeds == (decides[0] if decides else None)


def test_the_patients_proposed_decide_and_four_fifths_of_them_do_not() -> None:
    change = compared(PATIENTS_MATTER, 1, replicates=1, patients=40, shift=0.25)
    found = outlook(change, 0.0)
    assert not change.clear
    assert found.seeds is None, "one replicate does not show how seeds vary"
    assert found.patients is not None

    def half(times: float) -> float:
        degrees, variance = change.patient_degrees * times, change.patient_variance / times
        return float(stats.t.ppf(1 - change.correction.alpha / 2, degrees) * variance**0.5)

    times = found.patients / change.patients
    assert half(times) < abs(change.estimate) < half(times / 1.26)


def of_parts(estimate: float, patients: float, seeds: float, disagreement: float = 0.0) -> Difference:
    """3 replicates of 4 arms on 100 patients."""
    parts = Components(estimate, VariancePart(patients, 99.0), (VariancePart(seeds, 6.0),), disagreement)
    any_one = compared(SEEDS_MATTER, 0)
    half = parts.half_width(any_one.correction.alpha)
    return dataclasses.replace(
        any_one, estimate=estimate, low=estimate - half, high=estimate + half, parts=parts, patients=100
    )


def test_with_more_replicates_seeds_and_their_disagreement_fall_and_patients_stay() -> None:
    now = of_parts(1.0, 0.2, 0.9, 0.3)
    later, correction = with_seeds(now, 12)
    assert later.patients == now.parts.patients
    assert later.seeds == (VariancePart(pytest.approx(0.9 / 4), pytest.approx(6 * 11 / 2)),)
    assert later.disagreement == pytest.approx(0.3 / 4)
    assert correction.look == 2
    assert with_seeds(now, 12, keep=True)[1] == now.correction


def test_with_more_patients_what_replicates_disagree_about_falls_too() -> None:
    now = of_parts(1.2, 0.1, 0.12, 0.1)

    def half(times: float) -> float:
        t_p, t_s = (stats.t.ppf(1 - now.correction.alpha / 2, degrees) ** 2 for degrees in (99 * times, 6))
        return float((t_p * 0.1 / times + max(t_s * (0.02 + 0.1 / times), t_p * 0.1 / times)) ** 0.5)

    proposed = outlook(dataclasses.replace(now, estimate=0.6), 0.0).patients
    assert proposed is not None
    assert half(proposed / 100) < 0.6 < half(proposed / 126)


def test_replicates_stop_if_it_is_decided_or_if_the_patients_leave_it_open() -> None:
    clear, within = of_parts(3.0, 0.1, 0.1), of_parts(0.1, 0.001, 0.001)
    assert clear.clear
    assert stops(clear, 0.0)
    assert within.within(1.0)
    assert stops(within, 1.0)
    assert not stops(of_parts(0.5, 0.001, 0.1), 0.0), "more replicates would show it"
    patients = of_parts(0.1, 1.0, 0.001)
    assert patients.parts.patient_half_width(0.05) == pytest.approx(stats.t.ppf(0.975, 99))
    assert stops(patients, 0.5), "the patients leave more than two points open"
    assert not stops(of_parts(0.1, 1.0, 0.3), 2.4), "that it is too small to matter can be shown"


def test_the_width_needed_is_the_nearer_of_a_clear_difference_and_one_too_small_to_matter() -> None:
    assert needed_half_width(0.03, 0.0) == 0.03
    assert needed_half_width(-0.03, 0.02) == 0.03, "beyond the margin only a clear difference decides"
    assert needed_half_width(0.005, 0.02) == pytest.approx(0.015)
    assert needed_half_width(0.0, 0.0) == 0


def test_no_number_of_seeds_or_patients_is_named_that_cannot_decide() -> None:
    change = compared(SEEDS_MATTER, 0)
    nothing = dataclasses.replace(change, estimate=0.0)
    assert (outlook(nothing, 0.0).seeds, outlook(nothing, 0.0).patients) == (None, None)
    assert outlook(nothing, 0.3).seeds is not None, "that it is too small to matter can be shown"


def test_row_4_twelve_replicates_shrink_the_interval_as_three_foresee() -> None:
    """The median of 60 designs, within 20 %."""
    for model in (SEEDS_MATTER, PATIENTS_MATTER, Model(seed=0.3, arm_patient=0.0, noise=0.5)):
        foreseen, found = [], []
        for seed in range(60):
            values_ARP = model.draw(np.random.default_rng(seed), 4, 12, 100)
            now = difference(unbounded(named(values_ARP[:, :3])), "a0", "a1")
            later = difference(unbounded(named(values_ARP)), "a0", "a1", Correction(look=2))
            parts, correction = with_seeds(now, 12)
            width = now.parts.half_width(now.correction.alpha)
            foreseen.append(parts.half_width(correction.alpha) / width)
            found.append(later.parts.half_width(later.correction.alpha) / width)
        assert np.median(foreseen) == pytest.approx(np.median(found), rel=0.2)


def share(decided: list[bool]) -> tuple[float, float]:
    """And its standard error."""
    return float(np.mean(decided)), 0.5 / len(decided) ** 0.5


@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_the_seeds_proposed_decide_in_about_half_of_cases_if_the_estimate_is_the_truth(margin: float) -> None:
    """New seeds and patients. Half is all that may be asked for: the interval just reaches what is needed."""
    decided = []
    for seed in range(120):
        now = compared(SEEDS_MATTER, seed, shift=0.3 if not margin else 0.05)
        proposed = None if now.clear or (margin and now.within(margin)) else outlook(now, margin).seeds
        if proposed:
            later = compared(SEEDS_MATTER, 1000 + seed, proposed, shift=now.estimate, look=2)
            decided.append(later.clear or later.within(margin))
    found, error = share(decided)
    assert len(decided) > 40
    assert 0.5 - 3 * error < found < 0.9


def test_the_patients_proposed_decide_in_about_half_of_cases_if_the_estimate_is_the_truth() -> None:
    decided = []
    for seed in range(120):
        now = compared(PATIENTS_MATTER, seed, patients=60, shift=0.3)
        proposed = None if now.clear else outlook(now, 0.0).patients
        if proposed and proposed <= 1000:
            decided.append(compared(PATIENTS_MATTER, 1000 + seed, 3, proposed, shift=now.estimate).clear)
    found, error = share(decided)
    assert len(decided) > 40
    assert 0.5 - 3 * error < found < 0.9


@pytest.mark.parametrize("model", [SEEDS_MATTER, PATIENTS_MATTER], ids=["seeds", "patients"])
def test_a_difference_called_detectable_is_shown_in_about_four_of_five_designs(model: Model) -> None:
    """Its own estimate, had that been the truth, would have left 0 outside."""
    shown = []
    for seed in range(200):
        change = compared(model, seed, replicates=5)
        would_be = change.estimate + outlook(change, 0.0).detectable
        shown.append(would_be > change.parts.half_width(change.correction.alpha))
    found, error = share(shown)
    assert found == pytest.approx(0.8, abs=3 * error)
