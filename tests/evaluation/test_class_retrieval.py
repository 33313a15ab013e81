from __future__ import annotations

import itertools

import numpy as np
import pytest

from radsweep.config.evaluation import CHEXPERT_FIVE
from radsweep.config.metrics import Metric
from radsweep.errors import InputError
from radsweep.evaluation.class_retrieval import ClassPool, class_retrieval, draw_class_pool

LABELS = (*CHEXPERT_FIVE, "Fracture", "No Finding")


def data(studies: int = 1500) -> tuple[list[str], list[str], np.ndarray]:
    """Studies of patients with one to four of them, and sparse labels."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(studies), rng.integers(1, 5, studies))[:studies]
    labels = rng.choice([0.0, 1.0, np.nan], size=(studies, len(LABELS)), p=[0.4, 0.2, 0.4])
    return [f"s{n}" for n in range(studies)], [f"p{n}" for n in patients], labels


def draw(seed: int = 0, training: frozenset[str] = frozenset(), per_class: int = 10) -> ClassPool:
    studies, patients, labels = data()
    return draw_class_pool(
        studies, patients, labels, LABELS, per_class=per_class, seed=seed, training_patients=training
    )


def test_5x200_is_drawn_by_a_seed_that_is_recorded_and_shares_no_patient_with_training() -> None:
    """METHODS.md section 4: "5x200 drawn unseeded, excluded by image (GLoRIA)"."""
    _, patients, _ = data()
    training = frozenset(sorted(set(patients))[::3])
    pool = draw(seed=4, training=training)
    again = draw(seed=4, training=training)
    assert (pool.study_ids, pool.sha256) == (again.study_ids, again.sha256)
    assert pool.seed == 4
    assert draw(seed=5, training=training).study_ids != pool.study_ids
    assert not training & set(pool.patient_ids)
    assert set(draw(seed=4).patient_ids) & training, "these patients were there to be drawn"
    assert pool.training_studies == sum(patient in training for patient in patients)
    assert len(set(pool.study_ids)) == 50


def test_a_study_that_is_drawn_shows_its_class_and_no_other_finding() -> None:
    studies, patients, labels = data()
    pool = draw()
    assert [studies[row] for row in pool.rows_S] == list(pool.study_ids)
    assert [patients[row] for row in pool.rows_S] == list(pool.patient_ids)
    findings = labels[pool.rows_S][:, :-1]  # "No Finding" is no finding
    assert ((findings == 1).sum(1) == 1).all()
    np.testing.assert_array_equal((findings == 1).argmax(1), pool.class_S)
    assert np.bincount(pool.class_S).tolist() == [10] * 5
    alone = (labels[:, :-1] == 1).sum(1) == 1
    assert pool.available == {n: int((alone & (labels[:, c] == 1)).sum()) for c, n in enumerate(CHEXPERT_FIVE)}


def test_the_draw_depends_on_seed_and_ids_and_not_on_the_order_of_rows_or_the_size_of_other_classes() -> None:
    studies, patients, labels = data()
    order = np.random.default_rng(1).permutation(len(studies))
    shuffled = draw_class_pool(
        [studies[n] for n in order], [patients[n] for n in order], labels[order], LABELS, per_class=10
    )
    assert set(shuffled.study_ids) == set(draw().study_ids)
    assert shuffled.sha256 == draw().sha256
    assert set(draw(per_class=5).study_ids) < set(draw().study_ids)
    edema = draw_class_pool(studies, patients, labels, LABELS, classes=("Edema",), per_class=10)
    assert set(edema.study_ids) < set(draw().study_ids)


def test_too_few_studies_and_unknown_classes_are_reported() -> None:
    with pytest.raises(InputError, match="200 studies that only show this class are needed of each; found of Atelect"):
        draw(per_class=200)
    studies, patients, labels = data()
    with pytest.raises(InputError, match="no labels of Edema, Pleural Effusion; the data has Atelectasis, Cardiomegal"):
        draw_class_pool(studies, patients, labels[:, :3], LABELS[:3])


def by_hand(scores: np.ndarray, right: np.ndarray, k: int) -> float:
    """The mean precision over every order of the reports in which no lower score comes first."""
    precision = []
    for order in itertools.permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            precision.append(right[list(order[:k])].mean())
    return float(np.mean(precision))


@pytest.mark.parametrize("seed", range(5))
def test_precision_agrees_with_the_mean_over_every_order_of_reports_that_tie(seed: int) -> None:
    rng = np.random.default_rng(seed)
    class_S = rng.permutation([0, 0, 0, 1, 1, 1])
    text = rng.integers(-1, 2, (6, 2)) + np.array([0.0, 0.5])
    study = np.array([0, 1, 2, 3, 4, 5, 2, 0])
    image = rng.integers(-1, 2, (8, 2)) + np.array([0.5, 0.0])
    found = class_retrieval(image, text, study, class_S, ["a", "b"], at=(1, 2, 3), chunk=3)
    unit = [row / np.linalg.norm(row) for row in text]
    expected = np.array(
        [
            [by_hand(np.round([row @ t / np.linalg.norm(row) for t in unit], 9), class_S == class_S[s], k)
             for k in (1, 2, 3)]
            for row, s in zip(image, study, strict=True)
        ]
    )  # fmt: skip
    np.testing.assert_allclose(found.precision_MK, expected, atol=1e-7)
    for number, name in enumerate("ab"):
        mean = expected[class_S[study] == number].mean(0)
        assert [found.metrics[f"{name}/precision_at_{k}"] for k in (1, 2, 3)] == pytest.approx(mean.tolist(), abs=1e-7)
    macro = (found.metrics["a/precision_at_2"] + found.metrics["b/precision_at_2"]) / 2
    assert found.metrics["precision_at_2"] == pytest.approx(macro)
    assert sum(found.queries.values()) == 8


def test_perfect_constant_and_random_embeddings() -> None:
    class_S = np.repeat(np.arange(5), 100)
    names = list(CHEXPERT_FIVE)
    perfect = class_retrieval(np.eye(5)[class_S], np.eye(5)[class_S], np.arange(500), class_S, names)
    assert set(perfect.metrics.values()) == {1.0}
    assert {f"precision_at_{k}" for k in (5, 10, 100)} <= perfect.metrics.keys()
    assert set(perfect.chance.values()) == {0.2}
    assert all(Metric(f"test/class_retrieval/{name}").higher for name in perfect.metrics)
    constant = class_retrieval(np.ones((500, 8)), np.ones((500, 8)), np.arange(500), class_S, names)
    assert list(constant.metrics.values()) == pytest.approx([0.2] * len(constant.metrics), abs=1e-6)
    rng = np.random.default_rng(0)
    random = class_retrieval(rng.normal(size=(500, 32)), rng.normal(size=(500, 32)), np.arange(500), class_S, names)
    assert random.metrics["precision_at_100"] == pytest.approx(0.2, abs=0.01)


def test_a_number_of_reports_that_a_class_does_not_have_is_left_out() -> None:
    class_S = np.repeat([0, 1], [12, 8])
    found = class_retrieval(np.eye(2)[class_S], np.eye(2)[class_S], np.arange(20), class_S, ["a", "b"])
    assert found.at == (5,)
    assert found.metrics == {"a/precision_at_5": 1, "b/precision_at_5": 1, "precision_at_5": 1}
    assert found.chance["a/precision_at_5"] == pytest.approx(0.6)
    none = class_retrieval(np.eye(2), np.eye(2), np.arange(2), np.arange(2), ["a", "b"])
    assert (none.metrics, none.precision_MK.shape) == ({}, (2, 0))


def test_neither_chunk_size_nor_the_order_of_studies_changes_a_number() -> None:
    rng = np.random.default_rng(2)
    class_S = rng.permutation(np.repeat([0, 1, 2], 20))
    image, text = rng.normal(size=(60, 8)), rng.normal(size=(60, 8))
    whole = class_retrieval(image, text, np.arange(60), class_S, list("abc"))
    order = rng.permutation(60)
    shuffled = class_retrieval(image, text[order], np.argsort(order), class_S[order], list("abc"), chunk=7)
    assert shuffled.metrics == pytest.approx(whole.metrics, abs=1e-9)
    np.testing.assert_allclose(shuffled.precision_MK, whole.precision_MK, atol=1e-9)


def test_a_pool_that_does_not_fit_together_is_an_error() -> None:
    with pytest.raises(ValueError, match="b: no study or image of the pool"):
        class_retrieval(np.eye(2), np.eye(2), np.arange(2), np.zeros(2, int), ["a", "b"])
    with pytest.raises(ValueError, match="sizes do not fit"):
        class_retrieval(np.eye(2), np.eye(3), np.arange(2), np.arange(2), ["a", "b"])
    with pytest.raises(ValueError, match="image embeddings are not finite"):
        class_retrieval(np.eye(2) * np.nan, np.eye(2), np.arange(2), np.arange(2), ["a", "b"])
