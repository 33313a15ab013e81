"""Parametric generator: a latent quality of each query, which beats each of 399 candidates with some chance.

    quality = level of the size + shift of the arm + subset + start + tuning   (of a trained model)
            + patient + query + patient x arm + patient x model + noise    (of a query)

All are normal. A subset's effect on an arm has the variance `subset`^2; the part n/N of it is the pool's, which subsets
share, and the part 1 - n/N the subset's own. Given the pool, the pool's part is a constant: it is subtracted, by which
the null holds for these N studies. Where pools are new it is drawn for each report, and the truth is over pools.
The expectation of a metric is a one-dimensional integral over quality; a median is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from scipy import optimize, special, stats

from claims_referee.draws import Draw, Role, Truth, patients_of_queries
from claims_referee.metrics import CANDIDATES, auroc, of_ranks, share, tied
from claims_referee.oracle import planted_effect, simulated
from claims_referee.scenario import Scenario

PATIENT, QUERY, NOISE, COMMON = 0.5, 0.7, 0.7, 0.05  # COMMON: the part of a subset that all arms share
SLOPE, WILD, VALIDATION = 0.3, 5.0, 200
TRIED = 0.3
_QUALITY = np.linspace(-9, 9, 1201)


class Latent:
    pools = 1

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.level_S = np.array([self.level(size) for size in scenario.sizes])

    def calibrate(self, draws: int) -> Truth:
        scenario, sizes = self.scenario, len(self.level_S)
        truth: Truth = {"shift": {"baseline": [0.0] * sizes}}
        unlike = ["null", *(["wild"] if scenario.wild == "arm" else [])]
        for role in unlike:
            truth["shift"][role] = self._shifts(np.zeros(sizes), role)
        few = -(-draws // 5)
        error_S = simulated(self, truth, ["baseline", "null"], few)["error"]["null"]
        for many in (few, few, draws):  # the error depends on the effect
            truth["shift"]["planted"] = self._planted(planted_effect(scenario, error_S), truth, many)
            found = simulated(self, truth, ["baseline", *unlike, "planted"], many)
            error_S = found["error"]["planted"]
        truth |= found
        if scenario.metric == "median_rank":
            truth["mean"] |= dict.fromkeys(unlike, truth["mean"]["baseline"])
            return truth
        truth["shift"]["planted"] = self._shifts(planted_effect(scenario, error_S), "planted")  # of all draws
        for role, shift_S in truth["shift"].items():
            truth["mean"][role] = [self.expected(self.level_S + np.array(shift_S), role).tolist()]
        pairs_K = np.geomspace(scenario.sizes[0], scenario.sizes[-1], 40)
        level_K = np.array([self.level(size) for size in pairs_K])
        return truth | {"curve": [pairs_K.tolist(), self.expected(level_K, "baseline").tolist()]}

    def draw(self, rng: np.random.Generator, roles: Sequence[Role], truth: Truth, pool: int) -> Draw:
        scenario = self.scenario
        patient_Q = patients_of_queries(scenario.clusters, scenario.patients, rng)
        patients, queries = int(patient_Q[-1]) + 1, len(patient_Q)
        folds = max(scenario.folds, 1)
        fold_Q = (np.arange(patients) % folds)[patient_Q]
        sizes, arms, replicates = len(scenario.sizes), len(roles), scenario.most_seeds
        spread_A11 = np.array([[[self._spread(role)]] for role in roles])
        whole = (sizes, arms, replicates)
        seed_SARF = COMMON * self._own * rng.standard_normal((sizes, 1, replicates, folds))
        own_SARF = scenario.subset * self._own * rng.standard_normal((*whole, folds))
        seed_SARF = seed_SARF + spread_A11 * (own_SARF + scenario.start * rng.standard_normal((*whole, folds)))
        if scenario.tuned:
            tunings = replicates if scenario.tuned == "each" else 1
            seed_SARF += scenario.tuning * rng.standard_normal((sizes, arms, tunings, 1))
        if scenario.new_pools:
            seed_SARF += scenario.subset * scenario.share**0.5 * rng.standard_normal((sizes, arms, 1, 1))
        seed_SARF += (self.level_S[:, None] + np.array([truth["shift"][role] for role in roles]).T)[..., None, None]
        base_Q = PATIENT * rng.standard_normal(patients)[patient_Q] + QUERY * rng.standard_normal(queries)
        response_AQ = scenario.interaction * rng.standard_normal((arms, patients))[:, patient_Q]
        if scenario.renamed:
            response_AQ[:] = response_AQ[0]
        rest_SARQ = base_Q + response_AQ[:, None] + NOISE * rng.standard_normal((*whole, queries))
        rest_SARQ += scenario.patient_start * rng.standard_normal((*whole, patients))[..., patient_Q]
        middle_SAR = seed_SARF.mean(-1)
        if scenario.metric == "auroc":
            label_Q = (patient_Q < scenario.positives).astype(float)
            score_SARQ = rest_SARQ + seed_SARF[..., fold_Q] * label_Q
            near_SAR = stats.norm.cdf(middle_SAR / (2 * self._rest) ** 0.5) + 0.02 * rng.standard_normal(whole)
            validation_SAR, value_SAR = np.clip(near_SAR, 0, 1), auroc(score_SARQ, label_Q)
            rank_SARQ = self._ranks(rest_SARQ, rng)  # of no interest, but what the report is about
            return Draw(patient_Q, fold_Q, value_SAR, validation_SAR, rank_SARQ, score_SARQ, label_Q)
        rank_SARQ = self._ranks(rest_SARQ + seed_SARF[..., fold_Q], rng)
        seen = middle_SAR[..., None] + self._rest**0.5 * rng.standard_normal((*whole, VALIDATION))
        validation_SAR = of_ranks(scenario.metric, self._ranks(seen, rng))
        return Draw(patient_Q, fold_Q, of_ranks(scenario.metric, rank_SARQ), validation_SAR, rank_SARQ)

    def level(self, pairs: float) -> float:
        """Latent level of the baseline at a number of pairs."""
        scenario = self.scenario
        if scenario.levels:
            known = [self._solve(level, "recall_at_10", "baseline") for level in scenario.levels]
            return float(np.interp(np.log(pairs), np.log(scenario.sizes), known))
        metric = "auroc" if scenario.metric == "auroc" else "recall_at_10"
        return self._solve(scenario.level, metric, "baseline") + _rise(pairs, scenario.bend) - _rise(300, scenario.bend)

    def expected(self, level_N: np.ndarray, role: Role, metric: str = "") -> np.ndarray:
        """Expectation of a metric at latent levels."""
        scenario, metric = self.scenario, metric or self.scenario.metric
        seeds = self._spread(role) ** 2 * (scenario.subset**2 * self._part + scenario.start**2)
        seeds += COMMON**2 * self._own**2 + (scenario.tuning**2 if scenario.tuned else 0.0)
        if metric == "auroc":
            found: np.ndarray = stats.norm.cdf(level_N / (2 * self._rest + seeds) ** 0.5)
            return found
        ties = scenario.ties if metric == scenario.metric else 0
        weight_NX = stats.norm.pdf(_QUALITY, np.atleast_1d(level_N)[:, None], (self._rest + seeds) ** 0.5)
        averaged: np.ndarray = weight_NX @ _given_quality(metric, ties) / weight_NX.sum(1)
        return averaged

    @cached_property
    def _rest(self) -> float:
        """Variance of quality within a trained model."""
        scenario = self.scenario
        return PATIENT**2 + QUERY**2 + NOISE**2 + scenario.interaction**2 + scenario.patient_start**2

    @property
    def _own(self) -> float:
        """The part of a subset's deviation that is left given the pool."""
        return float((1 - self.scenario.share) ** 0.5)

    @property
    def _part(self) -> float:
        return 1.0 if self.scenario.new_pools else self._own**2

    def _spread(self, role: Role) -> float:
        wild = role == "wild" or (role == "baseline" and self.scenario.wild == "baseline")
        return WILD if wild else 1.0

    def _ranks(self, quality: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return tied(1.0 + rng.binomial(CANDIDATES - 1, special.ndtr(-quality)), self.scenario.ties)

    def _shifts(self, effect_S: np.ndarray, role: Role) -> list[float]:
        """Shifts of a role that move the metric by an effect from the baseline's."""
        metric = self.scenario.metric
        if metric == "median_rank":
            return [0.0] * len(effect_S)
        target_S = self.expected(self.level_S, "baseline") + effect_S
        return [self._solve(t, metric, role) - level for t, level in zip(target_S, self.level_S, strict=True)]

    def _solve(self, target: float, metric: str, role: Role) -> float:
        """Latent level at which the metric has a value; the end of the range for one beyond it."""
        ends = (-4.0, 5.0)
        at = [float(self.expected(np.array([end]), role, metric)[0]) - target for end in ends]
        if at[0] * at[1] > 0:
            return ends[int(abs(at[1]) < abs(at[0]))]
        return float(
            optimize.brentq(lambda x: self.expected(np.array([x]), role, metric)[0] - target, *ends, xtol=1e-7)
        )

    def _planted(self, effect_S: np.ndarray, truth: Truth, draws: int) -> list[float]:
        if self.scenario.metric != "median_rank":
            return self._shifts(effect_S, "planted")
        tried = {**truth, "shift": {**truth["shift"], "planted": [TRIED] * len(effect_S)}}
        mean = simulated(self, tried, ["baseline", "planted"], draws)["mean"]
        slope_S = (np.array(mean["planted"][0]) - np.array(mean["baseline"][0])) / TRIED
        return (effect_S / slope_S).tolist()


def _rise(pairs: float, bend: float) -> float:
    steps = np.log(pairs / 100)
    return float(SLOPE * (steps if not bend else (1 - np.exp(-bend * steps)) / bend))


@lru_cache(maxsize=16)
def _given_quality(metric: str, ties: int) -> np.ndarray:
    rank_K = np.arange(1.0, CANDIDATES + 1)
    chance_XK = stats.binom.pmf(rank_K - 1, CANDIDATES - 1, special.ndtr(-_QUALITY)[:, None])
    found: np.ndarray = chance_XK @ share(metric, tied(rank_K, ties))
    return found
