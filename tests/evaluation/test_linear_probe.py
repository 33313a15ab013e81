from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radsweep.config.metrics import CLASSIFICATION
from radsweep.data.loading.subsets import subset_fingerprint
from radsweep.evaluation.linear_probe import LabelledFeatures, linear_probe

NAMES = ("common", "rare")
GRID = (1e-4, 1e-2, 1.0)


def split(name: str, studies: int, seed: int, patients: int | None = None) -> LabelledFeatures:
    """One feature says `common`, another `rare` (2 %); scales differ widely; some labels are not known."""
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.random(studies) < 0.4, rng.random(studies) < 0.02], axis=1).astype(float)
    labels[0] = 1
    features = rng.normal(size=(studies, 5))
    features[:, :2] += 1.5 * labels
    labels[rng.random((studies, 2)) < 0.1] = np.nan
    labels[0] = 1
    owner = np.arange(studies) % (patients or studies)
    return LabelledFeatures(
        features * [1e3, 1, 1e-3, 1, 1] + [0, 50, 0, 0, 7],
        labels,
        [f"{name}{number:04}" for number in range(studies)],
        [f"{name}-patient{number}" for number in owner],
    )


TRAIN, VALIDATION, TEST = split("a", 300, 0, patients=120), split("b", 200, 1), split("c", 250, 2)


def test_the_probe_on_all_studies_is_scikit_learns_pipeline_with_the_c_that_is_best_on_validation() -> None:
    found = linear_probe(TRAIN, VALIDATION, TEST, NAMES, "pooled", fractions=(1.0,), C_grid=GRID)
    (fit,) = found.fits
    on_validation, on_test, log_odds = {}, {}, {}
    for C in GRID:
        macro, metrics = [], {}
        for column, name in enumerate(NAMES):
            known = [~np.isnan(part.labels_SC[:, column]) for part in (TRAIN, VALIDATION, TEST)]
            scale = StandardScaler().fit(TRAIN.features_SF)
            model = make_pipeline(scale, LogisticRegression(C=C, max_iter=2000))
            model[-1].fit(scale.transform(TRAIN.features_SF[known[0]]), TRAIN.labels_SC[known[0], column])
            validation, test = (
                (part.labels_SC[k, column], model.decision_function(part.features_SF[k]))
                for part, k in ((VALIDATION, known[1]), (TEST, known[2]))
            )
            macro.append(roc_auc_score(*validation))
            metrics[f"{name}/auroc"] = roc_auc_score(*test)
            metrics[f"{name}/average_precision"] = average_precision_score(*test)
            log_odds[C, column] = model.decision_function(TEST.features_SF)
        on_validation[C], on_test[C] = np.mean(macro), metrics
    assert on_validation[fit.C] == max(on_validation.values())
    for column in range(2):
        np.testing.assert_allclose(fit.scores_SC[:, column], log_odds[fit.C, column], atol=1e-9)
    assert {k: v for k, v in fit.result.metrics.items() if "/" in k} == pytest.approx(on_test[fit.C], abs=1e-9)
    assert found.metrics["100_percent/auroc"] == pytest.approx(np.mean([on_test[fit.C][f"{n}/auroc"] for n in NAMES]))
    assert found.layer == "pooled"
    assert found.test_ids == tuple(TEST.study_ids)
    assert found.metrics["100_percent/common/auroc"] > 0.75


def test_subsets_are_nested_by_patient_and_as_large_as_asked_for() -> None:
    found = linear_probe(TRAIN, VALIDATION, TEST, NAMES, "pooled", draws=3, seed=7, C_grid=GRID)
    assert [(fit.fraction, fit.seed, fit.studies) for fit in found.fits] == [
        *((0.01, seed, 3) for seed in (7, 8, 9)), *((0.1, seed, 30) for seed in (7, 8, 9)), (1.0, 7, 300)
    ]  # fmt: skip
    assert len({fit.subset_sha256 for fit in found.fits}) == 7
    assert found.fits[-1].subset_sha256 == subset_fingerprint(TRAIN.study_ids)
    assert found.spreads["10_percent/auroc"].n == 3
    values = [fit.result.metrics["auroc"] for fit in found.fits if fit.fraction == 0.1]
    assert found.metrics["10_percent/auroc"] == pytest.approx(np.mean(values))
    assert found.spreads["10_percent/auroc"].deviation == pytest.approx(np.std(values, ddof=1))


def test_the_smaller_subset_is_what_the_larger_begins_with(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[tuple[float, int], set[str]] = {}

    def noted(ids: list[str]) -> str:
        taken[len(taken), len(ids)] = set(ids)
        return subset_fingerprint(ids)

    monkeypatch.setattr("radsweep.evaluation.linear_probe.subset_fingerprint", noted)
    linear_probe(TRAIN, VALIDATION, TEST, NAMES, "pooled", draws=1, C_grid=(1.0,))
    small, middle, whole = taken.values()
    assert small < middle < whole
    patient_of = dict(zip(TRAIN.study_ids, TRAIN.patient_ids, strict=True))
    patients = {patient_of[study] for study in middle}
    of_them = {study for study, patient in patient_of.items() if patient in patients}
    assert len(of_them - middle) < 3  # whole patients, but for the last


def test_a_class_that_a_subset_shows_in_one_value_only_is_at_chance_and_is_named() -> None:
    found = linear_probe(TRAIN, VALIDATION, TEST, NAMES, "pooled", fractions=(0.01, 1.0), draws=5, C_grid=GRID)
    starved = [fit for fit in found.fits if "rare" in fit.untrained]
    assert starved, "2 % of 3 studies"
    for fit in starved:
        assert fit.untrained["rare"].startswith("0 positive and ")
        assert fit.result.metrics["rare/auroc"] == 0.5
        assert set(fit.scores_SC[:, 1]) == {0.0}
        assert fit.result.metrics["auroc"] == pytest.approx(0.25 + fit.result.metrics["common/auroc"] / 2)
    assert found.fits[-1].untrained == {}
    assert len({tuple(fit.result.metrics) for fit in found.fits}) == 1, "macro over the same classes at every size"


def test_classes_that_test_or_validation_show_in_one_value_only() -> None:
    def without(part: LabelledFeatures, column: int) -> LabelledFeatures:
        labels = part.labels_SC.copy()
        labels[:, column] = np.where(labels[:, column] == 1, np.nan, labels[:, column])
        return replace(part, labels_SC=labels)

    found = linear_probe(TRAIN, without(VALIDATION, 1), without(TEST, 0), NAMES, "pooled", (1.0,), C_grid=GRID)
    assert list(found.fits[0].result.skipped) == ["common"]
    assert found.metrics.keys() == {f"100_percent/{of}{metric}" for of in ("rare/", "") for metric in CLASSIFICATION}
    neither = without(without(VALIDATION, 0), 1)
    with pytest.raises(ValueError, match="C cannot be chosen"):
        linear_probe(TRAIN, neither, TEST, NAMES, "pooled", C_grid=GRID)


def test_the_order_of_studies_does_not_change_a_number() -> None:
    order = np.random.default_rng(0).permutation(300)
    shuffled = LabelledFeatures(
        TRAIN.features_SF[order],
        TRAIN.labels_SC[order],
        [TRAIN.study_ids[n] for n in order],
        [TRAIN.patient_ids[n] for n in order],
    )
    first = linear_probe(TRAIN, VALIDATION, TEST, NAMES, "pooled", (0.1, 1.0), draws=1, C_grid=GRID)
    second = linear_probe(shuffled, VALIDATION, TEST, NAMES, "pooled", (0.1, 1.0), draws=1, C_grid=GRID)
    assert second.metrics == first.metrics
    for a, b in zip(first.fits, second.fits, strict=True):
        np.testing.assert_array_equal(a.scores_SC, b.scores_SC)


def test_constant_features_and_one_patient() -> None:
    constant = replace(TRAIN, features_SF=np.ones_like(TRAIN.features_SF), patient_ids=["one"] * 300)
    found = linear_probe(constant, VALIDATION, TEST, NAMES, "pooled", (0.1, 1.0), draws=1, C_grid=GRID)
    assert found.metrics["100_percent/auroc"] == 0.5
    assert {fit.C for fit in found.fits} == {min(GRID)}  # of equals the smallest
    assert found.at_edge


def test_what_cannot_be_probed_is_refused() -> None:
    shared = replace(TEST, patient_ids=["a-patient3", *TEST.patient_ids[1:]])
    with pytest.raises(ValueError, match="1 patients are in train and in test"):
        linear_probe(TRAIN, VALIDATION, shared, NAMES, "pooled")
    with pytest.raises(ValueError, match="features are not finite"):
        linear_probe(TRAIN, replace(VALIDATION, features_SF=VALIDATION.features_SF * np.nan), TEST, NAMES, "pooled")
    with pytest.raises(ValueError, match=r"sizes do not fit: features \(300, 5\), 299 studies"):
        linear_probe(replace(TRAIN, study_ids=TRAIN.study_ids[1:]), VALIDATION, TEST, NAMES, "pooled")
