"""The oracle: it knows the generator, and so the standard error of each mean difference and what it can find.

The truth of a scenario, kept as JSON:
    mean   {role: [pools][sizes]}: expectation of the metric
    error  {role: [sizes]}: standard deviation of the arm's mean minus the baseline's, from all sources of chance;
           of the generator itself, over many draws
    curve  [pairs], [expectation of the baseline]
and what a generator needs to make it so.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from claims_referee.draws import Generator, Role, Truth
from claims_referee.metrics import LOWER_IS_BETTER
from claims_referee.scenario import Scenario

ALPHA = 0.05


def simulated(generator: Generator, truth: Truth, roles: Sequence[Role], draws: int) -> dict[str, Any]:
    """Mean of each role by pool, and error of its difference from the first, over draws of whole sweeps."""
    of_pools = []
    for pool in range(generator.pools):
        rng = np.random.default_rng([zlib.crc32(generator.scenario.name.encode()), pool, 99])
        count = -(-draws // generator.pools)
        of_pools.append([generator.draw(rng, roles, truth, pool).value_SAR.mean(-1) for _ in range(count)])
    value_PMSA = np.array(of_pools)
    difference_PMSA = value_PMSA - value_PMSA[..., :1]
    error_SA = difference_PMSA.var(1, ddof=1).mean(0) ** 0.5
    mean_PSA = value_PMSA.mean(1)
    return {
        "mean": {role: mean_PSA[..., a].tolist() for a, role in enumerate(roles)},
        "error": {role: error_SA[:, a].tolist() for a, role in enumerate(roles)},
    }


def planted_effect(scenario: Scenario, error_S: Sequence[float]) -> np.ndarray:
    """Signed effect that the oracle finds in 90 % of reports, with all comparisons corrected for; or the margin."""
    size_S = (critical(scenario.comparisons) + stats.norm.ppf(0.9)) * np.array(error_S)
    if scenario.margin is not None:
        size_S = np.full(len(error_S), scenario.margin / 100)
    sign = scenario.direction * (-1 if scenario.metric in LOWER_IS_BETTER else 1)
    signed: np.ndarray = sign * size_S
    return signed


def critical(comparisons: int) -> float:
    return float(stats.norm.ppf(1 - ALPHA / 2 / comparisons))


def widest(scenario: Scenario, comparisons: int) -> float:
    """Limit of the median width, in times the oracle's that corrects for the same comparisons."""
    nu, tail = scenario.degrees, 1 - ALPHA / 2 / comparisons
    return float(1.1 * stats.t.ppf(tail, nu) * (stats.chi2.median(nu) / nu) ** 0.5 / stats.norm.ppf(tail))


def least_power(scenario: Scenario) -> float:
    """Power to ask for at the planted effect."""
    nu, tail = scenario.degrees, 1 - ALPHA / 2 / scenario.comparisons
    reachable = float(stats.nct.sf(stats.t.ppf(tail, nu), nu, critical(scenario.comparisons) + 1.28))
    return max(0.95 * reachable, 0.75 if reachable >= 0.79 else 0.0)
