"""Exact sums over workers: forward and backward as if the whole batch were on one.

Every worker computes the same loss on all features. The backward pass of a gather or sum adds the gradients of all
workers; the mean of parameter gradients over workers (`average_gradients`) then is the gradient of one worker with
the whole batch, for any mix of gathered and local features.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Workers:
    """The workers of a trial. One worker needs no process group and communicates nothing."""

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank = rank
        self.world = world

    def share(self, total: int) -> slice:
        """This worker's rows of `total`: contiguous, sizes differing by at most one."""
        return slice(total * self.rank // self.world, total * (self.rank + 1) // self.world)

    def gather(self, rows: Tensor) -> Tensor:
        """All workers' rows in order, with gradient; the numbers of rows may differ."""
        return rows if self.world == 1 else _Gather.apply(rows, self)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over workers, with gradient."""
        return values if self.world == 1 else _Sum.apply(values)

    def largest(self, value: int) -> int:
        """The largest of the workers' numbers."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, device="cuda" if dist.get_backend() == "nccl" else "cpu")
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def first(self, value: int) -> int:
        """The number that worker 0 has."""
        return self.largest(value if self.rank == 0 else -(2**31))

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by the mean over workers, in one message.

        All workers compute the same terms, so a parameter without a gradient has none on any, as with one worker.
        """
        if self.world == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, workers: Workers) -> Tensor:
        counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(workers.world)]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        sizes = [int(count) for count in counts]
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded.contiguous())
        ctx.own = slice(sum(sizes[: workers.rank]), sum(sizes[: workers.rank + 1]))
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.own], None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total
