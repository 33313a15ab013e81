"""Coverage of the intervals, and the rate at which a change that does nothing is called significant.

The simulation has one test set of 400 queries on average, against a pool of 400 candidates. Some patients have two
queries. The arms are `baseline`, `null` (the baseline under another name), `weak` and `strong`, with 3 replicates. Each
repeat draws new queries, patients and seeds. The truth is the mean over their populations, by integration, with a fixed
candidate pool. The rank of a query counts the candidates that beat its own. The chance of each depends on arm,
replicate, patient and query.

`patients_alone` is the coverage of an interval that ignores seeds. `mean_width` is the mean width of our intervals.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from common import Figures, run, tell
from radsweep.evaluation.statistics.curves import crossing
from scipy import stats

from radsweep.evaluation.statistics import (
    Interval,
    PatientResamples,
    data_efficiency_multiplier,
    difference,
    estimate_auroc,
    estimate_means,
    level_interval,
    sign_flip_test,
)

SEEDS, PATIENTS, CANDIDATES = 3, 320, 400
SIZES, AT = (100, 300, 1000, 3000), 300
ARMS = {"baseline": 0.0, "null": 0.0, "weak": 0.1, "strong": 0.35}  # in standard deviations, like all constants below
LEVEL_AT, SLOPE = 0.9, 0.3  # level of the baseline at 300 pairs, and its rise for each factor e of pairs
SEED_COMMON, SEED_OWN = 0.05, 0.07  # replicates are paired: the shared part, and the part of each arm
PATIENT, QUERY, RESPONSE, NOISE = 0.5, 0.7, 0.3, 0.7  # RESPONSE: how much the effect of a change varies by patient
SEPARATION, SEED_SEPARATION, PREVALENCE = 1.1, 0.08, 0.3  # of the class that AUROC is computed for


def measure(folder: Path, quick: bool) -> Figures:
    return simulate(10 if quick else 1000)


def simulate(repeats: int, first: int = 0) -> Figures:
    """Coverage over repeats with random seeds from `first`."""
    held: dict[str, list[bool]] = defaultdict(list)
    widths: dict[str, list[float]] = defaultdict(list)
    for repeat in range(first, first + repeats):
        if (repeat - first) % 100 == 0:
            tell(f"repeat {repeat - first} of {repeats}")
        rng = np.random.default_rng(repeat)
        patient_Q = np.repeat(np.arange(PATIENTS), rng.choice((1, 2), p=(0.75, 0.25), size=PATIENTS))
        resamples = PatientResamples.draw(patient_Q, seed=repeat)
        _retrieval(rng, resamples, held, widths)
        _classification(rng, resamples, held, widths)
    share = {name: float(np.mean(flags)) for name, flags in held.items()}
    three = ("recall_at_10", "auroc", "difference")
    return {
        "repeats": repeats,
        "target": "fixed candidate pool, population of queries and seeds",
        "seeds": SEEDS,
        "coverage": {name: share[name] for name in three},
        "multiplier": {
            "coverage": share["multiplier"],
            "beyond_range": share["interval beyond"],
            "estimate_beyond_range": share["estimate beyond"],
            "truth": float(np.exp(_true_log_multiplier())),
        },
        "null_significant": share["null"],
        "null_significant_sign_flip": share["null sign flip"],
        "patients_alone": {name: share[f"{name} patients"] for name in three},
        "mean_width": {name: float(np.mean(widths[name])) for name in three},
    }


def _retrieval(
    rng: np.random.Generator,
    resamples: PatientResamples,
    held: dict[str, list[bool]],
    widths: dict[str, list[float]],
) -> None:
    patient_Q = resamples.patient_Q
    query_Q = PATIENT * rng.standard_normal(PATIENTS)[patient_Q] + QUERY * rng.standard_normal(len(patient_Q))
    response = {arm: RESPONSE * rng.standard_normal(PATIENTS)[patient_Q] for arm in ARMS if arm != "null"}
    response["null"] = response["baseline"]
    by_size, reciprocal = {}, {}
    for size in SIZES:
        common_R1 = SEED_COMMON * rng.standard_normal((SEEDS, 1))
        hits = {}
        for arm in ARMS:
            seed_R1 = common_R1 + SEED_OWN * rng.standard_normal((SEEDS, 1))
            noise_RQ = NOISE * rng.standard_normal((SEEDS, len(patient_Q)))
            quality_RQ = _middle(arm, size) + seed_R1 + query_Q + response[arm] + noise_RQ
            rank_RQ = 1 + rng.binomial(CANDIDATES - 1, stats.norm.sf(quality_RQ))
            hits[arm] = (rank_RQ <= 10).astype(float)
            if size == AT:
                reciprocal[arm] = 1 / rank_RQ
        by_size[size] = estimate_means(hits, resamples)
    truth = {arm: _true_recall(arm, AT) for arm in ARMS}
    for arm in ARMS:
        _note("recall_at_10", level_interval(by_size[AT], arm), truth[arm], held, widths)
    for arm in ("weak", "strong"):
        found = difference(by_size[AT], arm, "baseline")
        _note("difference", found, truth[arm] - truth["baseline"], held, widths)
    held["null"].append(difference(by_size[AT], "null", "baseline").p < 0.05)
    held["null sign flip"].append(sign_flip_test(reciprocal["null"], reciprocal["baseline"], patient_Q).p < 0.05)
    times = data_efficiency_multiplier(by_size, "strong", AT, "baseline")
    held["multiplier"].append(times.covers(float(np.exp(_true_log_multiplier()))))
    held["interval beyond"].append(bool(times.low_beyond or times.high_beyond))
    held["estimate beyond"].append(bool(times.beyond))


def _classification(
    rng: np.random.Generator,
    resamples: PatientResamples,
    held: dict[str, list[bool]],
    widths: dict[str, list[float]],
) -> None:
    patient_Q = resamples.patient_Q
    label_Q = (rng.random(PATIENTS) < PREVALENCE)[patient_Q].astype(float)
    item_Q = PATIENT * rng.standard_normal(PATIENTS)[patient_Q] + QUERY * rng.standard_normal(len(patient_Q))
    scores = {}
    for arm, effect in ARMS.items():
        apart_R1 = SEPARATION + effect + SEED_SEPARATION * rng.standard_normal((SEEDS, 1))
        scores[arm] = apart_R1 * label_Q + item_Q + NOISE * rng.standard_normal((SEEDS, len(patient_Q)))
    estimates = estimate_auroc(scores, label_Q, resamples)
    spread = (2 * (PATIENT**2 + QUERY**2 + NOISE**2) + SEED_SEPARATION**2) ** 0.5
    for arm, effect in ARMS.items():
        _note("auroc", level_interval(estimates, arm), stats.norm.cdf((SEPARATION + effect) / spread), held, widths)


def _note(
    name: str, found: Interval, truth: float, held: dict[str, list[bool]], widths: dict[str, list[float]]
) -> None:
    held[name].append(bool(found.low <= truth <= found.high))
    held[f"{name} patients"].append(bool(abs(found.estimate - truth) <= 1.96 * found.patient_variance**0.5))
    widths[name].append(found.high - found.low)


def _middle(arm: str, size: int) -> float:
    return float(LEVEL_AT + ARMS[arm] + SLOPE * np.log(size / AT))


def _true_recall(arm: str, size: int) -> float:
    """Mean of P(rank <= 10) over patients, queries and seeds."""
    parts = (SEED_COMMON, SEED_OWN, PATIENT, QUERY, RESPONSE, NOISE)
    quality = np.linspace(-8, 8, 8001) * sum(part**2 for part in parts) ** 0.5
    density = np.exp(-((np.linspace(-8, 8, 8001)) ** 2) / 2)
    hit = stats.binom.cdf(9, CANDIDATES - 1, stats.norm.sf(_middle(arm, size) + quality))
    return float((density * hit).sum() / density.sum())


def _true_log_multiplier() -> float:
    """Apply the definition of the multiplier: the baseline's curve is straight in log n between the measured sizes."""
    curve_1K = np.array([[_true_recall("baseline", size) for size in SIZES]])
    return float(crossing(curve_1K, np.log(np.array(SIZES) / AT), np.array([_true_recall("strong", AT)]))[0])


if __name__ == "__main__":
    run(measure)
