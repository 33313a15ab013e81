"""Interactions of arm and group of queries: rarely found if there are none, and found if there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from radsweep.evaluation.statistics import GroupEstimates, Patients, estimate_means, interaction
from radsweep.evaluation.statistics.subgroups import contrast_of_groups

REPORTS = 200
ARMS = ("baseline", "first", "second")
GAIN = np.array([0.0, 0.1, 0.0])  # in every group


def groups_of(
    values: dict[str, np.ndarray], patient_Q: np.ndarray, masks: Sequence[np.ndarray]
) -> list[GroupEstimates]:
    found = []
    for inside_Q in masks:
        chosen = {arm: values_RQ[:, inside_Q] for arm, values_RQ in values.items()}
        patients = patient_Q[inside_Q]
        found.append(GroupEstimates(estimate_means(chosen, Patients.of(patients)), np.unique(patients)))
    return found


def rates(seed: int, extra: float = 0.0, replicates: int = 3, patients: int = 250) -> dict[tuple[str, str], float]:
    """q of each arm and grouping of one simulated report, whose first arm gains `extra` more in the group `common`.

    Hits and misses: patients differ in ease, in how much they gain from an arm, and in the number of their queries;
    replicates differ too. The group `rare` is almost at the floor, so that many of its patients never change.
    """
    rng = np.random.default_rng(seed)
    patient_Q = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    rare_Q, common_Q = (rng.random(patients) < 0.12)[patient_Q], rng.random(len(patient_Q)) < 0.5
    third_Q = rng.integers(0, 3, len(patient_Q))
    ease_Q = np.where(rare_Q, 0.03, rng.uniform(0.1, 0.7, patients)[patient_Q])
    own_AQ = rng.choice([-0.02, 0.02], (len(ARMS), patients))[:, patient_Q]
    seed_AR = 0.02 * rng.normal(size=(len(ARMS), replicates)).clip(-1, 1)
    chance_ARQ = ease_Q + (GAIN[:, None] + own_AQ)[:, None] + seed_AR[..., None]
    chance_ARQ[1] += extra * common_Q
    values = dict(zip(ARMS, (rng.random(chance_ARQ.shape) < chance_ARQ).astype(float), strict=True))
    groupings = {
        "rare": [rare_Q, ~rare_Q],
        "common": [common_Q, ~common_Q],
        "length": [third_Q == third for third in range(3)],
    }
    p_of = {
        (arm, name): p
        for name, masks in groupings.items()
        for arm, p in interaction(groups_of(values, patient_Q, masks), ARMS[1:], "baseline").items()
    }
    return dict(zip(p_of, stats.false_discovery_control(list(p_of.values())), strict=True))


def test_a_difference_that_is_the_same_in_all_groups_is_seldom_said_to_vary() -> None:
    """If nothing varies, a false discovery rate of 5 % is the share of reports with any discovery."""
    false = sum(min(rates(seed, replicates=(1, 3)[seed % 2]).values()) < 0.05 for seed in range(REPORTS))
    assert false / REPORTS <= 0.05 + 2 * (0.05 * 0.95 / REPORTS) ** 0.5


def test_a_difference_that_varies_is_found_in_its_grouping_and_arm() -> None:
    found = [rates(seed, extra=0.3) for seed in range(30)]
    assert np.mean([q["first", "common"] < 0.05 for q in found]) >= 0.8
    others = [q[place] < 0.05 for q in found for place in q if place != ("first", "common")]
    assert np.mean(others) <= 0.05


def test_a_small_group_in_which_no_patient_happens_to_change_does_not_count_as_different() -> None:
    """In the other patients 6 % gain. Of 20, none does in 29 % of data sets, and none would vary as observed."""
    values = {"baseline": np.zeros((3, 400)), "arm": np.zeros((3, 400))}
    values["arm"][:, 20:][:, ::16] = 1.0
    inside_Q = np.arange(400) < 20
    groups = groups_of(values, np.arange(400), [inside_Q, ~inside_Q])
    assert groups[0].estimates.value_AR[1].max() == 0
    assert interaction(groups, ["arm"], "baseline")["arm"] > 0.2


def test_seeds_count_as_much_as_patients() -> None:
    """The same mean differences: certain if replicates agree about the groups, and not if they do not."""
    rng = np.random.default_rng(0)
    inside_Q = np.arange(400) < 200

    def p(extra_R: Sequence[float]) -> float:
        values = {"baseline": np.zeros((3, 400)), "arm": 0.2 + 0.1 * rng.normal(size=400) * np.ones((3, 1))}
        values["arm"][:, inside_Q] += np.array(extra_R)[:, None]
        return interaction(groups_of(values, np.arange(400), [inside_Q, ~inside_Q]), ["arm"], "baseline")["arm"]

    assert p([0.10, 0.11, 0.09]) < 0.02
    assert p([0.35, 0.05, -0.1]) > 0.2


def test_a_patient_with_studies_in_two_groups_counts_once() -> None:
    """Gains of whole patients cancel in the contrast of groups, if each patient is in both."""
    rng = np.random.default_rng(1)
    gain_P = rng.normal(size=50)
    patient_Q = np.repeat(np.arange(50), 2)
    values = {"baseline": np.zeros((1, 100)), "arm": gain_P[patient_Q][None] + 0.05 * np.tile([0.0, 1.0], 50)}
    first_Q = np.arange(100) % 2 == 0
    found = groups_of(values, patient_Q, [first_Q, ~first_Q])
    between = contrast_of_groups(found, np.array([1.0, -1.0]))
    assert np.abs(between.influence_PAR).max() < 1e-12
    assert (between.patients, between.queries) == (50, 100)
    with pytest.raises(ValueError, match="1 groups"):
        interaction(found[:1], ["arm"], "baseline")
