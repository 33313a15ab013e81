"""Results of the validation queries along a run at a constant rate, summed so that they fit a checkpoint.

Shapes: Q queries, B stretches of training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.special import chdtri
from torch import Tensor

from radsweep.evaluation.further_gain import WINDOW, Stretches

PER_DOUBLING = 4  # stretches while the steps double
FEWEST_FREEDOM = 3  # differences between validations of one stretch
UNDERRATED = 0.2  # probability that the wobble is more than its bound


def stretch_number(time: float) -> int:
    return math.floor(PER_DOUBLING * math.log2(time))


@dataclass
class Stretch:
    """Validations within one stretch."""

    number: int
    count: int
    time: float  # sum of steps, counted at the full learning rate
    squares: float  # sum of the squared results, mean over queries
    mean_squares: float  # sum of the squared means
    sum_Q: np.ndarray


@dataclass
class Trail:
    """Results of each query from the first validation on."""

    first_Q: np.ndarray | None = None
    stretches: list[Stretch] = field(default_factory=list)

    def add(self, value_Q: np.ndarray, time: float, constant: bool) -> bool:
        """Take note of a validation; return True if a stretch was completed by it.

        Args:
            time: steps so far, counted at the full learning rate.
            constant: False during warm-up, when only the start is kept.
        """
        if self.first_Q is None:
            self.first_Q = value_Q
        if not constant:
            return False
        number = stretch_number(time)
        begins = not self.stretches or number > self.stretches[-1].number
        if begins:
            self.stretches = [kept for kept in self.stretches if kept.time / kept.count >= time / (2 * WINDOW)]
            self.stretches.append(Stretch(number, 0, 0.0, 0.0, 0.0, np.zeros(len(value_Q))))
        last = self.stretches[-1]
        last.count += 1
        last.time += time
        last.squares += float(np.mean(value_Q**2))
        last.mean_squares += float(np.mean(value_Q)) ** 2
        last.sum_Q += value_Q
        return begins and len(self.stretches) > 1

    @property
    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        if self.first_Q is None:
            return {}
        numbers = [[each.number, each.count, each.time, each.squares, each.mean_squares] for each in self.stretches]
        sums = [each.sum_Q for each in self.stretches]
        return {
            "first": torch.from_numpy(self.first_Q),
            "numbers": torch.tensor(numbers, dtype=torch.float64).reshape(-1, 5),
            "sums": torch.tensor(np.array(sums), dtype=torch.float64).reshape(len(sums), len(self.first_Q)),
        }

    @property
    def found(self) -> Stretches:
        """As the decision takes them."""
        assert self.first_Q is not None
        count_B = np.array([each.count for each in self.stretches])
        value_QB = np.column_stack([each.sum_Q / each.count for each in self.stretches])
        time_B = np.array([each.time for each in self.stretches]) / count_B
        return Stretches(time_B, count_B, value_QB, self._wobble(), self.first_Q)

    def _wobble(self) -> float:
        """Upper bound of the mean's variance within stretches, less that of its queries."""
        of_mean, of_queries, freedom = 0.0, 0.0, 0
        for each in self.stretches:
            mean_Q = each.sum_Q / each.count
            of_mean += each.mean_squares - each.count * float(mean_Q.mean()) ** 2
            of_queries += each.squares - each.count * float(np.mean(mean_Q**2))
            freedom += each.count - 1
        if freedom < FEWEST_FREEDOM:
            return math.inf
        most = of_mean / float(chdtri(freedom, 1 - UNDERRATED))  # few validations may be alike by chance
        return max(0.0, most - of_queries / len(self.stretches[0].sum_Q) / freedom)


def trail_of(tensors: dict[str, Tensor]) -> Trail:
    """The trail whose `tensors` these are."""
    stretches = [
        Stretch(int(number), int(count), time, squares, mean_squares, sum_Q.numpy().copy())
        for (number, count, time, squares, mean_squares), sum_Q in zip(
            tensors["numbers"].tolist(), tensors["sums"], strict=True
        )
    ]
    return Trail(tensors["first"].numpy(), stretches)
