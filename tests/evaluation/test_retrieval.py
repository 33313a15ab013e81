from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from radsweep.config.metrics import DIRECTIONS, HIGHER_IS_BETTER
from radsweep.evaluation.chance import Unit, chance, pools
from radsweep.evaluation.retrieval import metrics_of, ranked


def ranks_of(*pool: Any, **settings: Any) -> dict[str, np.ndarray]:
    return {direction: found.ranks_Q for direction, found in ranked(*pool, **settings).items()}


def measured(*pool: Any, **settings: Any) -> dict[str, float]:
    return metrics_of(ranked(*pool, **settings))


def brute_force_rank(scores: list[float], positive: list[bool]) -> float:
    """The definition, literally: best positive, then every non-positive looked at alone."""
    best = max(score for score, is_positive in zip(scores, positive, strict=True) if is_positive)
    others = [score for score, is_positive in zip(scores, positive, strict=True) if not is_positive]
    ties = sum(abs(score - best) < 1e-9 for score in others)
    return 1 + sum(score > best + 1e-9 for score in others) + ties / 2


def brute_force(image: np.ndarray, text: np.ndarray, study: np.ndarray, group: np.ndarray) -> dict[str, list[float]]:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    n = len(text)
    score = [
        [max(cosine(image[i], text[t]) for i in range(len(image)) if study[i] == s) for t in range(n)] for s in range(n)
    ]
    ranks: dict[str, list[float]] = {}
    for suffix, ids in (("", np.arange(n)), ("_same_text", group)):
        same = [[bool(ids[a] == ids[b]) for b in range(n)] for a in range(n)]
        ranks["image_to_text" + suffix] = [brute_force_rank(score[q], same[q]) for q in range(n)]
        ranks["text_to_image" + suffix] = [brute_force_rank([row[q] for row in score], same[q]) for q in range(n)]
    return ranks


def brute_force_of_images(
    image: np.ndarray, text: np.ndarray, study: np.ndarray, group: np.ndarray
) -> dict[str, list[float]]:
    score = [[float(a @ b / np.sqrt((a @ a) * (b @ b))) for b in text] for a in image]
    ranks: dict[str, list[float]] = {}
    for suffix, ids in (("", np.arange(len(text))), ("_same_text", group)):
        ranks["image_to_text" + suffix] = [
            brute_force_rank(score[q], [bool(ids[study[q]] == ids[s]) for s in range(len(text))])
            for q in range(len(image))
        ]
        ranks["text_to_image" + suffix] = [
            brute_force_rank([row[q] for row in score], [bool(ids[study[m]] == ids[q]) for m in range(len(image))])
            for q in range(len(text))
        ]
    return ranks


def pool(seed: int, studies: int = 23) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One to three images a study in mixed order, repeated reports, and embeddings coarse enough to tie often."""
    rng = np.random.default_rng(seed)
    study = rng.permutation(np.concatenate([np.full(rng.integers(1, 4), s) for s in range(studies)]))
    group = rng.integers(0, studies // 2, studies)
    text = rng.integers(-1, 2, (studies, 4)).astype(float)[group] + 0.0
    text[~text.any(1)] = 1.0
    image = rng.integers(-1, 2, (len(study), 4)).astype(float)
    image[~image.any(1)] = 1.0
    return image, text, study, group


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("unit", "definition"), [("study", brute_force), ("image", brute_force_of_images)])
def test_ranks_agree_with_the_definition_written_out_with_ties_and_several_images_a_study(
    unit: Unit, definition: Callable[..., dict[str, list[float]]], seed: int
) -> None:
    image, text, study, group = pool(seed)
    ours = ranks_of(image, text, study, group, chunk=7, unit=unit)
    expected = definition(image, text, study, group)
    assert ours.keys() == expected.keys()
    for direction, ranks in expected.items():
        np.testing.assert_array_equal(ours[direction], ranks)
    assert any(rank % 1 for rank in expected["text_to_image"]), "the pool was meant to tie"


def test_perfect_embeddings_are_perfect_in_every_metric() -> None:
    metrics = measured(np.eye(60), 3 * np.eye(60), np.arange(60))
    assert metrics.keys() == {f"{direction}/{name}" for direction in DIRECTIONS for name in HIGHER_IS_BETTER}
    assert set(metrics.values()) == {1.0}


def test_the_percentile_of_single_images_only_counts_the_non_positives() -> None:
    """Constant embeddings lie in the middle, however many positives a query has."""
    study, group = np.array([0, 0, 0, 1, 2, 2]), np.array([4, 4, 9])
    metrics = measured(np.ones((6, 3)), np.ones((3, 3)), study, group, unit="image")
    for direction in DIRECTIONS:
        assert metrics[f"{direction}/rank_percentile"] == 0.5
        assert metrics[f"{direction}_same_text/rank_percentile"] == 0.5
    assert metrics["text_to_image/mean_rank"] == pytest.approx(np.mean([1 + 3 / 2, 1 + 5 / 2, 1 + 4 / 2]))
    assert metrics["text_to_image_same_text/mean_rank"] == pytest.approx(np.mean([1 + 2 / 2, 1 + 2 / 2, 1 + 4 / 2]))


def test_pool_sizes_and_positives_of_both_units() -> None:
    study, group = np.array([0, 0, 0, 1, 2, 2]), np.array([4, 4, 9])
    by_study, by_image = pools(study, 3, group), pools(study, 3, group, unit="image")
    assert by_study.keys() == by_image.keys() == {d + s for d in DIRECTIONS for s in ("", "_same_text")}
    for direction in DIRECTIONS:
        assert by_study[direction][:2] == by_study[direction + "_same_text"][:2] == (3, 3)
        assert by_study[direction].positives_Q.tolist() == [1, 1, 1]
        assert by_study[direction + "_same_text"].positives_Q.tolist() == [2, 2, 1]
    assert by_image["image_to_text"][:2] == (6, 3)
    assert by_image["image_to_text"].positives_Q.tolist() == [1] * 6
    assert by_image["image_to_text_same_text"].positives_Q.tolist() == [2, 2, 2, 2, 1, 1]
    assert by_image["text_to_image"][:2] == (3, 6)
    assert by_image["text_to_image"].positives_Q.tolist() == [3, 1, 2]
    assert by_image["text_to_image_same_text"].positives_Q.tolist() == [4, 4, 2]
    assert pools(study, 3).keys() == set(DIRECTIONS)


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest tensor made within holds."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.largest = max(self.largest, made.numel())
        return made


@pytest.mark.parametrize("unit", ["study", "image"])
def test_memory_does_not_grow_with_the_product_of_queries_and_candidates(unit: Unit) -> None:
    studies, width, chunk = 300, 4, 32
    rng = np.random.default_rng(0)
    study = np.repeat(np.arange(studies), 2)
    image, text, group = rng.normal(size=(2 * studies, width)), rng.normal(size=(studies, width)), np.zeros(studies)
    with LargestTensor() as made:
        ranks_of(image, text, study, group, chunk=chunk, unit=unit)
    assert 0 < made.largest <= max(2 * studies * width, 2 * chunk * chunk)


def test_constant_embeddings_get_the_middle_rank_whatever_the_order() -> None:
    rng = np.random.default_rng(0)
    row = rng.normal(size=96).astype(np.float32)
    metrics = measured(np.tile(row, (301, 1)), np.tile(-row, (301, 1)), np.arange(301), np.arange(301), chunk=64)
    for direction in DIRECTIONS:
        assert metrics[f"{direction}/mean_rank"] == metrics[f"{direction}/median_rank"] == 151
        assert metrics[f"{direction}/recall_at_50"] == 0
        assert metrics[f"{direction}/rank_percentile"] == 0.5


@pytest.mark.parametrize("unit", ["study", "image"])
def test_random_embeddings_are_at_chance_also_if_reports_repeat(unit: Unit) -> None:
    studies, draws = 200, 30
    group = np.repeat(np.arange(100), [51] + [1] * 50 + [2] * 48 + [3])
    assert len(group) == studies
    study = np.repeat(np.arange(studies), 2)
    pool_of = pools(study, studies, group, unit)
    seen: dict[str, list[float]] = {}
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        image, text = rng.normal(size=(2 * studies, 64)), rng.normal(size=(studies, 64))
        metrics = measured(image, text, study, group, unit=unit)
        for key, value in metrics.items():
            seen.setdefault(key, []).append(value)
    for key, values in seen.items():
        if key.endswith("median_rank") and "same_text" in key:
            continue  # half the queries have rank 1 to 4 and half up to 200: test_chance counts it out instead
        found = pool_of[key.rsplit("/", 1)[0]]
        expected = chance(key, found.candidates, found.positives_Q)
        assert abs(np.mean(values) - expected) < 4 * np.std(values, ddof=1) / np.sqrt(draws) + 1e-9, key


@pytest.mark.parametrize("unit", ["study", "image"])
def test_neither_chunk_size_nor_the_order_of_images_and_studies_changes_a_number(unit: Unit) -> None:
    rng = np.random.default_rng(3)
    study = np.concatenate([np.arange(90), rng.integers(0, 90, 40)])
    image, text, group = rng.normal(size=(130, 32)), rng.normal(size=(90, 32)), rng.integers(0, 60, 90)
    whole = ranks_of(image, text, study, group, chunk=1000, unit=unit)
    images, studies = rng.permutation(130), rng.permutation(90)
    place = np.argsort(studies)
    shuffled = ranks_of(image[images], text[studies], place[study[images]], group[studies], chunk=37, unit=unit)
    for direction, ranks in ranks_of(image, text, study, group, chunk=11, unit=unit).items():
        np.testing.assert_array_equal(ranks, whole[direction])
        order = images if unit == "image" and direction.startswith("image") else studies
        np.testing.assert_array_equal(shuffled[direction], whole[direction][order])


def test_the_best_of_a_studys_images_counts() -> None:
    text = np.eye(3)
    image = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert set(measured(image, text, np.array([0, 1, 2, 0])).values()) == {1.0}


def test_a_repeated_report_is_half_a_miss_in_one_reading_and_none_in_the_other() -> None:
    text = np.eye(4)[[0, 0, 1, 2]]
    image = np.eye(4)[[0, 0, 1, 2]]
    metrics = measured(image, text, np.arange(4), text_group_S=np.array([7, 7, 1, 2]))
    assert metrics["text_to_image/mean_rank"] == 1.25
    assert metrics["text_to_image_same_text/mean_rank"] == 1.0
    assert metrics["image_to_text_same_text/recall_at_1"] == 1.0


def test_tensors_in_half_precision_are_scored_in_single_precision_even_under_autocast() -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = (
        torch.randn(80, 32, generator=generator).bfloat16(),
        torch.randn(80, 32, generator=generator).bfloat16(),
    )
    expected = ranks_of(image.float().numpy(), text.float().numpy(), np.arange(80))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ranks = ranks_of(image, text, torch.arange(80))
    np.testing.assert_array_equal(ranks["text_to_image"], expected["text_to_image"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_embedding_that_is_not_finite_is_an_error_and_not_a_rank(bad: float) -> None:
    broken = np.eye(4)
    broken[2, 1] = bad
    with pytest.raises(ValueError, match="image embeddings are not finite"):
        measured(broken, np.eye(4), np.arange(4))
    with pytest.raises(ValueError, match="text embeddings are not finite"):
        measured(np.eye(4), broken, np.arange(4))


def test_a_pool_that_does_not_fit_together_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 studies of the pool have no image"):
        measured(np.eye(4), np.eye(4), np.array([0, 1, 2, 2]))
    with pytest.raises(ValueError, match="sizes do not fit"):
        measured(np.eye(4), np.ones((4, 3)), np.arange(4))
    with pytest.raises(ValueError, match="4 texts, 3 groups of texts"):
        measured(np.eye(4), np.eye(4), np.arange(4), np.arange(3))
    with pytest.raises(ValueError, match="expected studies 0 to 3"):
        measured(np.eye(4), np.eye(4), np.array([0, 1, 2, 4]))
