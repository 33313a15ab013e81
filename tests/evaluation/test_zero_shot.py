from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from radsweep.config.evaluation import Ensembling
from radsweep.errors import InputError
from radsweep.evaluation.prompts import ClassPrompts, PromptSet
from radsweep.evaluation.zero_shot import zero_shot

WAYS: tuple[Ensembling, ...] = get_args(Ensembling)
NAMES = ("edema", "fracture", "nodule")
WIDTH = 6

PROMPTS = PromptSet(
    {
        "edema": ClassPrompts(positive=("edema", "congestion", "wet"), negative=("no edema", "dry")),
        "fracture": ClassPrompts(positive=("fracture",), negative=("no fracture", "intact", "wet")),
    },
    "mine.yaml",
)


def embed(texts: list[str]) -> np.ndarray:
    """Stable vectors of very different lengths."""
    rows = [np.random.default_rng(sum(map(ord, text))).normal(size=WIDTH) * len(text) ** 2 for text in texts]
    return np.array(rows)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def by_hand(image: np.ndarray, texts: tuple[str, ...], way: str) -> float:
    rows = list(embed(list(texts)))
    if way == "norm_mean_norm":
        return cosine(image, np.mean([row / np.linalg.norm(row) for row in rows], axis=0))
    if way == "mean_norm":
        return cosine(image, np.mean(rows, axis=0))
    cosines = [cosine(image, row) for row in rows]
    return max(cosines) if way == "max" else float(np.mean(cosines))


def data(seed: int = 0, studies: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    study = rng.permutation(np.concatenate([np.arange(studies), rng.integers(0, studies, studies // 2)]))
    labels = rng.choice([0.0, 1.0, np.nan], size=(studies, 3), p=[0.5, 0.3, 0.2])
    return rng.normal(size=(len(study), WIDTH)), study, labels


@pytest.mark.parametrize("way", WAYS)
def test_each_ensembling_agrees_with_its_definition(way: Ensembling) -> None:
    image, study, labels = data()
    found = zero_shot(image, labels, NAMES, PROMPTS, embed, study, way)
    assert found.class_names == ("edema", "fracture")
    for column, name in enumerate(found.class_names):
        prompts = PROMPTS.classes[name]
        score = [by_hand(row, prompts.positive, way) - by_hand(row, prompts.negative, way) for row in image]
        expected = [np.mean([score[m] for m in np.flatnonzero(study == s)]) for s in range(len(labels))]
        np.testing.assert_allclose(found.scores_SC[:, column], expected, atol=6e-7)
        known = ~np.isnan(labels[:, column])
        y, s = labels[known, column], np.round(expected, 6)[known]
        assert found.result.metrics[f"{name}/auroc"] == pytest.approx(roc_auc_score(y, s), abs=1e-9)
        precision = average_precision_score(y, s)
        assert found.result.metrics[f"{name}/average_precision"] == pytest.approx(precision, abs=1e-9)
    assert found.result.skipped == {"nodule": "no prompts in mine.yaml"}


def test_the_ways_differ_and_agree_where_a_class_has_one_prompt_a_side() -> None:
    image, study, labels = data()
    scores = [zero_shot(image, labels, NAMES, PROMPTS, embed, study, way).scores_SC for way in WAYS]
    assert len({array.tobytes() for array in scores}) == 4
    single = PromptSet({"edema": ClassPrompts(positive=("edema",), negative=("dry",))}, "one.yaml")
    scores = [zero_shot(image, labels, NAMES, single, embed, study, way).scores_SC for way in WAYS]
    for array in scores[1:]:
        np.testing.assert_array_equal(array, scores[0])


@pytest.mark.parametrize("way", WAYS)
def test_a_score_does_not_depend_on_the_other_images(way: Ensembling) -> None:
    image, _, labels = data(studies=30)
    whole = zero_shot(image[:30], labels, NAMES, PROMPTS, embed, ensembling=way).scores_SC
    part = zero_shot(image[:7], labels[:7], NAMES, PROMPTS, embed, ensembling=way).scores_SC
    np.testing.assert_array_equal(part, whole[:7])


def test_the_order_of_images_and_studies_does_not_count() -> None:
    image, study, labels = data()
    rng = np.random.default_rng(1)
    images, studies = rng.permutation(len(image)), rng.permutation(len(labels))
    first = zero_shot(image, labels, NAMES, PROMPTS, embed, study)
    place = np.argsort(studies)
    second = zero_shot(image[images], labels[studies], NAMES, PROMPTS, embed, place[study[images]])
    np.testing.assert_array_equal(second.scores_SC, first.scores_SC[studies])
    assert second.result.metrics == first.result.metrics


def test_images_that_are_alike_tie_so_that_a_constant_model_is_at_chance() -> None:
    labels = np.arange(60).reshape(20, 3) % 2
    found = zero_shot(np.tile(np.random.default_rng(0).normal(size=WIDTH), (20, 1)), labels, NAMES, PROMPTS, embed)
    assert found.result.metrics["auroc"] == 0.5


def test_each_prompt_is_embedded_once() -> None:
    calls: list[list[str]] = []

    def noted(texts: list[str]) -> torch.Tensor:
        calls.append(texts)
        return torch.from_numpy(embed(texts)).float()

    image, study, labels = data()
    zero_shot(torch.from_numpy(image).bfloat16(), labels, NAMES, PROMPTS, noted, study)
    assert len(calls) == 1
    assert len(calls[0]) == len(set(calls[0])) == 8  # of 9: "wet" serves two classes


def test_mean_norm_of_unit_embeddings_is_refused_since_it_would_silently_be_another_way() -> None:
    image, study, labels = data()

    def unit(texts: list[str]) -> np.ndarray:
        rows = embed(texts)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    with pytest.raises(ValueError, match="mean_norm: the texts' embeddings have unit length already"):
        zero_shot(image, labels, NAMES, PROMPTS, unit, study, "mean_norm")
    zero_shot(image, labels, NAMES, PROMPTS, unit, study, "norm_mean_norm")


def test_what_cannot_be_scored_is_refused() -> None:
    image, study, labels = data()
    with pytest.raises(InputError, match=r"mine.yaml: has prompts for edema, fracture, and none"):
        zero_shot(image, labels, ("a", "b", "c"), PROMPTS, embed, study)
    with pytest.raises(ValueError, match="image embeddings are not finite"):
        zero_shot(image * np.nan, labels, NAMES, PROMPTS, embed, study)
    with pytest.raises(ValueError, match="text embeddings are not finite"):
        zero_shot(image, labels, NAMES, PROMPTS, lambda texts: embed(texts) * np.inf, study)
    with pytest.raises(ValueError, match="a study from 0 to"):
        zero_shot(image, labels, NAMES, PROMPTS, embed)
    with pytest.raises(ValueError, match="unknown ensembling 'mean'"):
        zero_shot(image, labels, NAMES, PROMPTS, embed, study, "mean")  # type: ignore[arg-type]
