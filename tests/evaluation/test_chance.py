from __future__ import annotations

import itertools

import numpy as np
import pytest

from radsweep.config.metrics import HIGHER_IS_BETTER
from radsweep.evaluation.chance import NOTICEABLE, USELESS, chance, guessed, positives_per_query
from radsweep.evaluation.retrieval import metrics_of, ranked, summarise_ranks


@pytest.mark.parametrize("positives", [(1,), (2,), (1, 1, 3), (6,)])
def test_chance_is_the_average_over_every_order_of_a_small_pool(positives: tuple[int, ...]) -> None:
    candidates = 6
    ranks, others = [], []
    for count in positives:
        for order in itertools.permutations(range(candidates)):
            ranks.append(1 + min(order.index(p) for p in range(count)))
            others.append(candidates - count)
    expected = summarise_ranks(np.array(ranks, float), np.array(others))
    for metric in HIGHER_IS_BETTER:
        assert chance(f"val/text_to_image/{metric}", candidates, positives) == pytest.approx(expected[metric]), metric


def test_chance_of_recall_is_k_over_the_pool() -> None:
    assert chance("recall_at_10", 400) == pytest.approx(0.025)
    assert chance("recall_at_50", 20) == 1
    assert chance("median_rank", 400) == 200.5


def test_chance_of_single_images_is_that_of_a_random_order() -> None:
    positives = np.array([3, 1, 2])
    rng = np.random.default_rng(0)
    first = np.array([[1 + rng.permutation(9)[:count].min() for count in positives] for _ in range(20_000)])
    assert chance("mean_rank", 9, positives) == pytest.approx(first.mean(), abs=0.03)
    assert chance("recall_at_1", 9, positives) == pytest.approx(positives.mean() / 9)
    assert chance("mean_rank", 9, [3]) == pytest.approx(10 / 4)  # the mean of the least of 3 among 9


def test_an_unknown_metric_has_no_chance_level() -> None:
    with pytest.raises(ValueError, match="unknown metric"):
        chance("val/text_to_image/precision", 10)


def test_studies_with_the_same_report_are_counted() -> None:
    assert positives_per_query(np.array([5, 9, 5, 1])).tolist() == [2, 1, 2, 1]


@pytest.mark.parametrize(("pool", "part"), [(9, 1.0), (10, 1.0), (20, 0.5), (40, 0.25), (400, 0.025)])
def test_of_different_reports_chance_is_the_part_that_is_guessed(pool: int, part: float) -> None:
    assert guessed("val/text_to_image/recall_at_10", np.arange(pool)) == pytest.approx(part)
    assert guessed("val/image_to_text_local/recall_at_10", np.arange(pool)) == pytest.approx(part)


def test_the_mean_reciprocal_rank_resolves_where_recall_does_not() -> None:
    nine = np.arange(9)
    assert guessed("val/text_to_image/recall_at_10", nine) > USELESS
    assert NOTICEABLE < guessed("val/text_to_image/mean_reciprocal_rank", nine) < USELESS
    assert guessed("val/text_to_image/mean_rank", nine) == guessed("val/text_to_image/mean_reciprocal_rank", nine)


@pytest.mark.parametrize("direction", ["text_to_image", "image_to_text"])
@pytest.mark.parametrize("name", ["recall_at_1", "recall_at_5", "recall_at_10", "mean_reciprocal_rank"])
def test_equal_reports_bound_what_a_perfect_model_reaches(direction: str, name: str) -> None:
    """Beside the ranks of models that know everything but which of the equal reports is whose."""
    group_S = np.repeat(np.arange(6), [1, 1, 2, 5, 8, 13])
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        image_SD = np.eye(6)[group_S] + 0.01 * rng.normal(size=(len(group_S), 6))  # equal findings, other pictures
        ranks = ranked(image_SD, np.eye(6)[group_S], np.arange(len(group_S)))
        found.append(metrics_of(ranks)[f"{direction}/{name}"])
    level = chance(name, len(group_S))
    assert guessed(f"val/{direction}/{name}", group_S) == pytest.approx(level / np.mean(found), rel=0.04)


def test_among_equal_reports_everything_is_guessed() -> None:
    same = np.zeros(40, dtype=int)
    assert guessed("val/text_to_image/recall_at_10", same) == pytest.approx(1)
    assert guessed("val/text_to_image/mean_reciprocal_rank", same) == pytest.approx(1)
