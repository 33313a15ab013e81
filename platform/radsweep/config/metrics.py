"""Names of the metrics a trial reports, and which way is better: one place for selection, trackers and report."""

from __future__ import annotations

DIRECTIONS = ("image_to_text", "text_to_image")
RECALL_AT = (1, 5, 10, 50)
HIGHER_IS_BETTER = {f"recall_at_{k}": True for k in RECALL_AT} | {
    "mean_reciprocal_rank": True,
    "rank_percentile": True,
    "median_rank": False,
    "mean_rank": False,
}
CLASSIFICATION = ("auroc", "average_precision")  # of zero-shot and linear probe; macro, or under a class: Edema/auroc
PRECISION_AT = (5, 10, 100)  # of class retrieval: precision_at_5, Edema/precision_at_5


def selectable() -> list[str]:
    """Metrics a search may select on: those of the validation split alone."""
    return [f"val/{direction}/{metric}" for direction in DIRECTIONS for metric in HIGHER_IS_BETTER]


def higher_is_better(metric: str) -> bool:
    """Whether larger values of `val/text_to_image/recall_at_10`, `test/zero_shot/Edema/auroc` and the like are better.

    Raises:
        KeyError: an unknown metric.
    """
    name = metric.rsplit("/", 1)[-1]
    if name in CLASSIFICATION or name in {f"precision_at_{k}" for k in PRECISION_AT}:
        return True
    return HIGHER_IS_BETTER[name]
