"""A real learner: ridge regression on random features, from an image to its report, ranked among fixed reports.

A pool of N studies is drawn; a replicate trains in closed form on n of them at random, so that training sets overlap by
themselves. The start draws the random features. The other arms have other penalties and another nonlinearity.

The null given the pool: the mean difference over at least 200 replicates on that pool, each with new starts, subsets
and test patients, is subtracted. Recall cannot be shifted, so it is thinned: if an arm has the mean `a` and should have
`b` < a, each of its hits becomes a miss with chance 1 - b/a, and the reverse if b > a. Its mean is then `b` exactly.
Where pools are new, each draw has its own pool, and the difference that is subtracted is the mean over pools.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from claims_referee.draws import Draw, Role, Truth, patients_of_queries
from claims_referee.oracle import planted_effect, simulated
from claims_referee.scenario import Scenario

CONCEPTS, IMAGE, TEXT, CANDIDATES, SUBSET = 6, 16, 6, 200, 60
WORLD, PATIENT, UNLIKE = np.random.default_rng(7), 0.5, 0.6
TO_IMAGE, TO_TEXT = WORLD.standard_normal((CONCEPTS, IMAGE)), WORLD.standard_normal((CONCEPTS, TEXT))
OTHERS = WORLD.standard_normal((CANDIDATES, CONCEPTS)) @ TO_TEXT
# penalty, random features, nonlinearity
ARMS: tuple[tuple[float, int, Any], ...] = (
    (3.0, 96, np.tanh), (0.3, 96, np.tanh), (3.0, 64, np.sin), (30.0, 96, np.tanh),
)  # fmt: skip
Studies = tuple[np.ndarray, np.ndarray]  # images, reports


class Ridge:
    """Roles are `baseline`, `null1`, ... `planted3`: each arm is a model of its own."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.pools = 1 if scenario.new_pools else 8

    def calibrate(self, draws: int) -> Truth:
        names = ["baseline", *(f"null{arm}" for arm in range(1, len(ARMS)))]
        truth: Truth = {"target": {}}
        raw = simulated(self, truth, names, draws)
        base = raw["mean"]["baseline"]
        for name in names:
            truth["target"][name] = [[r[0], b[0]] for r, b in zip(raw["mean"][name], base, strict=True)]
        every = [*names, *(f"planted{arm}" for arm in range(1, len(ARMS)))]
        error = raw["error"]
        for many in (-(-draws // 5), draws):  # the error depends on the effect
            self._plant(truth, error)
            error = simulated(self, truth, every, many)["error"]
        self._plant(truth, error)
        truth |= {"error": error, "mean": {}}
        for name, of in truth["target"].items():
            truth["mean"][name] = [[target] for _, target in of]
        return truth

    def _plant(self, truth: Truth, error: dict[str, list[float]]) -> None:
        for arm in range(1, len(ARMS)):
            found = error.get(f"planted{arm}", error[f"null{arm}"])
            effect = float(planted_effect(self.scenario, found)[0])
            of = truth["target"][f"null{arm}"]
            truth["target"][f"planted{arm}"] = [[own, target + effect] for own, target in of]

    def draw(self, rng: np.random.Generator, roles: Sequence[Role], truth: Truth, pool: int) -> Draw:
        scenario = self.scenario
        images_NX, texts_NT = _studies(rng, self._size) if scenario.new_pools else _pool(pool, self._size)
        patient_Q = patients_of_queries(scenario.clusters, scenario.patients, rng)
        test, validation = _studies(rng, len(patient_Q), patient_Q), _studies(rng, 200)
        ranks, seen = [], []
        for _ in range(scenario.most_seeds):
            chosen = rng.choice(self._size, SUBSET, replace=False)
            pair = images_NX[chosen], texts_NT[chosen]
            for role in roles:
                predict = _trained(pair, 0 if scenario.renamed else _number(role), rng)
                ranks.append(self._thinned(_rank(predict, test), role, truth, pool, rng))
                seen.append((self._thinned(_rank(predict, validation), role, truth, pool, rng) <= 10).mean())
        shape = 1, scenario.most_seeds, len(roles)
        rank_SARQ = np.reshape(ranks, (*shape, len(patient_Q))).swapaxes(1, 2)
        return Draw(
            patient_Q,
            np.zeros(len(patient_Q), int),
            (rank_SARQ <= 10).mean(-1),
            np.reshape(seen, shape).swapaxes(1, 2),
            rank_SARQ,
        )

    @property
    def _size(self) -> int:
        return round(SUBSET / self.scenario.share)

    def _thinned(self, rank_Q: np.ndarray, role: Role, truth: Truth, pool: int, rng: np.random.Generator) -> np.ndarray:
        if role not in truth["target"]:
            return rank_Q
        own, target = truth["target"][role][pool]
        hit_Q, luck_Q = rank_Q <= 10, rng.random(len(rank_Q))
        if target < own:
            lost_Q = hit_Q & (luck_Q < 1 - target / own)
            return np.where(lost_Q, 11.0 + rng.integers(0, 40, len(rank_Q)), rank_Q)
        won_Q = ~hit_Q & (luck_Q < (target - own) / (1 - own))
        return np.where(won_Q, 1.0 + rng.integers(0, 10, len(rank_Q)), rank_Q)


def _number(role: Role) -> int:
    return 0 if role == "baseline" else int(role[-1])


def _studies(rng: np.random.Generator, count: int, patient_Q: np.ndarray | None = None) -> Studies:
    own = rng.standard_normal((count, CONCEPTS))
    if patient_Q is not None:
        shared = rng.standard_normal((int(patient_Q[-1]) + 1, CONCEPTS))[patient_Q]
        own = (1 - PATIENT**2) ** 0.5 * own + PATIENT * shared
    images = np.tanh(own @ TO_IMAGE / 2) + UNLIKE * rng.standard_normal((count, IMAGE))
    return images, own @ TO_TEXT + UNLIKE * rng.standard_normal((count, TEXT))


@lru_cache(maxsize=16)
def _pool(number: int, size: int) -> Studies:
    return _studies(np.random.default_rng([11, number, size]), size)


def _trained(pair: Studies, arm: int, rng: np.random.Generator) -> Any:
    penalty, features, bend = ARMS[arm]
    inner, offset = rng.standard_normal((IMAGE, features)) / IMAGE**0.5, rng.uniform(0, 6, features)
    shown = bend(pair[0] @ inner + offset)
    outer = np.linalg.solve(shown.T @ shown + penalty * np.eye(features), shown.T @ pair[1])
    return lambda images: bend(images @ inner + offset) @ outer


def _rank(predict: Any, studies: Studies) -> np.ndarray:
    """By the cosine with the report, among the fixed reports."""
    found = predict(studies[0])
    own = (found * studies[1]).sum(1) / np.linalg.norm(studies[1], axis=1)
    rank: np.ndarray = 1.0 + (found @ (OTHERS / np.linalg.norm(OTHERS, axis=1, keepdims=True)).T > own[:, None]).sum(1)
    return rank
