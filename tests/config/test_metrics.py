"""A metric's name says its split, what was measured, and which way is better."""

from __future__ import annotations

import pytest

from radsweep.config import metrics
from radsweep.config.evaluation import Evaluate
from radsweep.config.metrics import Metric

RECALL = Metric("val/text_to_image/recall_at_10")
RANK = Metric("test/image_to_text/median_rank")


def test_only_validation_metrics_can_be_selected_on() -> None:
    assert all(Metric(name).split == "val" for name in metrics.selectable())
    assert Evaluate().select in metrics.selectable()


@pytest.mark.parametrize(
    ("full_name", "parts"),
    [
        ("val/text_to_image/recall_at_10", ("val", "text_to_image", "recall_at_10")),
        ("best/image_to_text_same_text/mean_rank", ("best", "image_to_text_same_text", "mean_rank")),
        ("test/nih/linear_probe/10_percent/Edema/auroc", ("test", "nih/linear_probe/10_percent/Edema", "auroc")),
    ],
)
def test_a_name_is_taken_apart_and_is_its_text(full_name: str, parts: tuple[str, str, str]) -> None:
    metric = Metric(full_name)
    assert (metric.split, metric.direction, metric.name) == parts
    assert str(metric) == full_name
    assert metric == Metric(full_name)


def test_the_same_metric_on_another_split() -> None:
    assert str(RECALL.on("test")) == "test/text_to_image/recall_at_10"
    assert str(Metric("val/zero_shot/val/auroc").on("test")) == "test/zero_shot/val/auroc", "of a class named val"
    assert RECALL.on("test").on("val") == RECALL


def test_of_ranks_the_lower_is_better_and_of_shares_the_higher() -> None:
    assert (RECALL.higher, RECALL.sign, RANK.higher, RANK.sign) == (True, 1, False, -1)
    assert all(Metric(f"test/zero_shot/Edema/{name}").higher for name in ("auroc", "precision_at_5"))
    assert RECALL.better(0.3, than=0.2)
    assert RANK.better(2, than=3)
    assert not any(metric.better(1, than=1) for metric in (RECALL, RANK))


def test_the_best_of_values_and_of_what_has_them() -> None:
    values = [3.0, 1.0, 2.0]
    assert (RECALL.best(values), RANK.best(values)) == (3.0, 1.0)
    ranks = {"a": 3.0, "b": 1.0, "c": 1.0}
    assert RECALL.best(ranks, key=lambda name: ranks[name]) == "a"
    assert RANK.best(ranks, key=lambda name: ranks[name]) == "b", "the first of equal ones"


def test_an_unknown_metric_has_no_better_way() -> None:
    with pytest.raises(KeyError):
        Metric("val/text_to_image/loss").sign  # noqa: B018
