"""Linear probe: how much of the labels a linear classifier reads from frozen features, by how many labels it is given.

Shapes: S studies, F width of the features, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from radsweep.data.loading.subsets import seeded_order, subset_fingerprint, subset_size
from radsweep.evaluation.classification import ClassMetrics, classification_metrics, known_labels
from radsweep.evaluation.summary import Spread, spread

FRACTIONS = (0.01, 0.1, 1.0)
C_GRID = tuple(10.0**power for power in range(-5, 2))  # inverse strength of L2, of features with deviation 1
MOST_ITERATIONS = 2000


@dataclass(frozen=True)
class LabelledFeatures:
    """Frozen features of a split's studies (`mean_of_images`), and their labels: 1, 0, NaN (None) where not known."""

    features_SF: np.ndarray
    labels_SC: np.ndarray
    study_ids: Sequence[str]
    patient_ids: Sequence[str]


@dataclass(frozen=True)
class ProbeFit:
    """One subset of the training studies; its classifiers on the test studies."""

    fraction: float
    seed: int  # of the draw
    studies: int
    subset_sha256: str
    C: float  # the best macro AUROC on validation; the smallest of equals
    result: ClassMetrics  # on test
    scores_SC: np.ndarray  # log-odds on test, in the order of its studies
    untrained: dict[str, str]  # class -> why every study got the same score
    unfinished: tuple[str, ...]  # classes whose fit met the limit of iterations


@dataclass(frozen=True)
class LinearProbe:
    layer: str  # what the features are
    class_names: tuple[str, ...]
    test_ids: tuple[str, ...]  # of the rows of `scores_SC`
    C_grid: tuple[float, ...]
    fits: tuple[ProbeFit, ...]

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """{`10_percent/auroc`: mean and deviation over draws, `10_percent/Edema/auroc`: ...}"""
        values: dict[str, list[float]] = {}
        for fit in self.fits:
            for name, value in fit.result.metrics.items():
                values.setdefault(f"{100 * fit.fraction:g}_percent/{name}", []).append(value)
        return {name: spread(numbers) for name, numbers in values.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the draws."""
        return {name: found.mean for name, found in self.spreads.items()}

    @property
    def at_edge(self) -> bool:
        """True if a fit chose the smallest or largest C: a wider grid might do better."""
        return any(fit.C in (self.C_grid[0], self.C_grid[-1]) for fit in self.fits)


def linear_probe(
    train: LabelledFeatures,
    validation: LabelledFeatures,
    test: LabelledFeatures,
    class_names: Sequence[str],
    layer: str,
    fractions: Sequence[float] = FRACTIONS,
    draws: int = 5,
    seed: int = 0,
    C_grid: Sequence[float] = C_GRID,
) -> LinearProbe:
    """A logistic regression (L2, L-BFGS) for each class, on `draws` subsets of each size and on all studies once.

    Subsets are prefixes of `seeded_order`: patient by patient, those of one draw nested. Features are standardised on
    the subset. One C serves all classes of a fit: the one with the best macro AUROC on validation, over classes that
    have both values there. A class of which the subset has one value only cannot be learnt: every study gets the same
    score (AUROC 0.5), so that macro means are over the same classes at every size, and `untrained` names it.

    Args:
        layer: what the features are, for the record: `image tower, pooled, before projection`.
        seed: the first draw's; the others count on.

    Raises:
        ValueError: splits that share a patient, features that are not finite, sizes or labels that do not fit, no class
            with both values in validation.
    """
    parts = [_checked(part, class_names) for part in (train, validation, test)]
    _check_patients(parts)
    if not ((parts[1].labels_SC == 1).any(0) & (parts[1].labels_SC == 0).any(0)).any():
        raise ValueError("validation: no class has a positive and a negative label, so that C cannot be chosen")
    grid = tuple(sorted(C_grid))
    fits = []
    for fraction in sorted(fractions):
        size = subset_size(len(train.study_ids), None, fraction)
        for draw in range(seed, seed + (draws if size < len(train.study_ids) else 1)):
            order = seeded_order(train.study_ids, train.patient_ids, draw)
            rows = sorted(order[:size], key=train.study_ids.__getitem__)
            fits.append(_fit(parts, rows, class_names, grid, fraction, draw))
    return LinearProbe(layer, tuple(class_names), tuple(test.study_ids), grid, tuple(fits))


def _fit(
    parts: list[LabelledFeatures],
    rows: list[int],
    class_names: Sequence[str],
    grid: tuple[float, ...],
    fraction: float,
    seed: int,
) -> ProbeFit:
    from sklearn.exceptions import ConvergenceWarning  # lazy import: it takes seconds to load
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, validation, test = parts
    labels_RC = train.labels_SC[rows]
    scaler = StandardScaler().fit(train.features_SF[rows])
    features_RF = scaler.transform(train.features_SF[rows])
    weights_GCF1 = np.zeros((len(grid), len(class_names), features_RF.shape[1] + 1))  # the intercept last
    untrained, unfinished = {}, np.zeros((len(grid), len(class_names)), dtype=bool)
    for column, name in enumerate(class_names):
        known_R = ~np.isnan(labels_RC[:, column])
        positive = int((labels_RC[:, column] == 1).sum())
        if not 0 < positive < known_R.sum():
            untrained[name] = f"{positive} positive and {known_R.sum() - positive} negative of {len(rows)} studies"
            continue
        for place, C in enumerate(grid):
            model = LogisticRegression(C=C, solver="lbfgs", max_iter=MOST_ITERATIONS)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # recorded below
                model.fit(features_RF[known_R], labels_RC[known_R, column])
            weights_GCF1[place, column] = np.append(model.coef_[0], model.intercept_)
            unfinished[place, column] = model.n_iter_[0] >= MOST_ITERATIONS
    held_out_SF = scaler.transform(validation.features_SF)
    reached = [
        classification_metrics(_scores(weights_CF1, held_out_SF), validation.labels_SC, class_names).metrics["auroc"]
        for weights_CF1 in weights_GCF1
    ]
    best = int(np.argmax(reached))  # the first of equals
    scores_SC = _scores(weights_GCF1[best], scaler.transform(test.features_SF))
    return ProbeFit(
        fraction=fraction,
        seed=seed,
        studies=len(rows),
        subset_sha256=subset_fingerprint([train.study_ids[row] for row in rows]),
        C=grid[best],
        result=classification_metrics(scores_SC, test.labels_SC, class_names),
        scores_SC=scores_SC,
        untrained=untrained,
        unfinished=tuple(np.array(class_names)[unfinished[best]].tolist()),
    )


def _scores(weights_CF1: np.ndarray, features_SF: np.ndarray) -> np.ndarray:
    """Log-odds [S, C], rounded so that studies with the same features tie."""
    return np.round(features_SF @ weights_CF1[:, :-1].T + weights_CF1[:, -1], 12)


def _checked(part: LabelledFeatures, class_names: Sequence[str]) -> LabelledFeatures:
    features_SF = np.asarray(part.features_SF, dtype=np.float64)
    labels_SC = known_labels(part.labels_SC, class_names)
    sizes = {len(features_SF), len(labels_SC), len(part.study_ids), len(part.patient_ids)}
    if len(sizes) > 1 or features_SF.ndim != 2 or not len(features_SF):
        raise ValueError(f"sizes do not fit: features {features_SF.shape}, {len(part.study_ids)} studies")
    if not np.isfinite(features_SF).all():
        raise ValueError("features are not finite (NaN or infinity): the model has diverged")
    return LabelledFeatures(features_SF, labels_SC, part.study_ids, part.patient_ids)


def _check_patients(parts: Sequence[LabelledFeatures]) -> None:
    named = zip(("train", "validation", "test"), (set(part.patient_ids) for part in parts), strict=True)
    for (first, patients), (second, others) in combinations(named, 2):
        if shared := patients & others:
            raise ValueError(f"{len(shared)} patients are in {first} and in {second}: splits are by patient")
