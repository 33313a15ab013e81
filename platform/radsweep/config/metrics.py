"""Names of the metrics a trial reports, and which way is better: one place for selection, trackers and report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar, overload

Candidate = TypeVar("Candidate")

DIRECTIONS = ("image_to_text", "text_to_image")
LOCAL = "_local"  # after a direction: ranked by the local term's score
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
    """Metrics that may select: only those of the validation split."""
    directions = [direction + score for score in ("", LOCAL) for direction in DIRECTIONS]
    return [f"val/{direction}/{metric}" for direction in directions for metric in HIGHER_IS_BETTER]


@dataclass(frozen=True)
class Metric:
    """A metric by its full name: `val/text_to_image/recall_at_10`, `test/zero_shot/Edema/auroc`."""

    full_name: str

    def __str__(self) -> str:
        return self.full_name

    @property
    def split(self) -> str:
        """`val` or `test`."""
        return self.full_name.split("/", 1)[0]

    @property
    def direction(self) -> str:
        """`text_to_image`; for other tasks what is between split and name, such as `zero_shot/Edema`."""
        return self.full_name.split("/", 1)[1].rpartition("/")[0]

    @property
    def local(self) -> bool:
        """True if the local term's score ranks."""
        return self.direction.endswith(LOCAL)

    @property
    def name(self) -> str:
        """`recall_at_10`."""
        return self.full_name.rsplit("/", 1)[-1]

    def on(self, split: str) -> Metric:
        """The same metric on another split."""
        return Metric(f"{split}/{self.full_name.split('/', 1)[1]}")

    @property
    def higher(self) -> bool:
        """True if higher values are better.

        Raises:
            KeyError: an unknown metric.
        """
        if self.name in CLASSIFICATION or self.name in {f"precision_at_{k}" for k in PRECISION_AT}:
            return True
        return HIGHER_IS_BETTER[self.name]

    @property
    def sign(self) -> int:
        """1, or -1 if lower values are better: of two values times the sign, the higher one is better."""
        return 1 if self.higher else -1

    def better(self, value: float, than: float) -> bool:
        return self.sign * value > self.sign * than

    @overload
    def best(self, values: Iterable[float]) -> float: ...

    @overload
    def best(self, values: Iterable[Candidate], key: Callable[[Candidate], float]) -> Candidate: ...

    def best(self, values: Iterable[Candidate], key: Callable[[Candidate], float] | None = None) -> Candidate:
        """The first of the best values, or of the candidates whose `key` is best.

        Raises:
            ValueError: there are none.
        """
        return (max if self.higher else min)(values, key=key)  # type: ignore[type-var, arg-type]
