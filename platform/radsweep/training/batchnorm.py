"""Batch normalisation over the global batch, on CPU and GPU (PyTorch's own SyncBatchNorm refuses a CPU)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radsweep.training.collectives import Workers


class GlobalBatchNorm(nn.Module):
    """Statistics of all workers' rows, with the exact gradient through them.

    Takes over a BatchNorm's parameters, and the modules that it holds: timm's apply their activation themselves.
    """

    def __init__(self, origin: nn.modules.batchnorm._BatchNorm, workers: Workers) -> None:
        super().__init__()
        self.weight, self.bias = origin.weight, origin.bias
        self.eps, self.momentum = origin.eps, origin.momentum
        self.workers = workers
        self.running_mean: Tensor
        self.running_var: Tensor
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(origin, name))
        for name, child in origin.named_children():
            self.add_module(name, child)
        self.training = origin.training

    def forward(self, x: Tensor) -> Tensor:
        x = self._normalised(x)
        for child in self.children():
            x = child(x)
        return x

    def _normalised(self, x: Tensor) -> Tensor:
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        features = x if x.dtype == torch.float64 else x.float()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, x.shape[1]] + [1] * (x.dim() - 2)
        count = features.new_tensor([x.numel() / x.shape[1]])
        totals = self.workers.sum(torch.cat([features.sum(axes), count]))
        count, mean_C = totals[-1].detach(), totals[:-1] / totals[-1].detach()
        centred = features - mean_C.view(shape)  # in two passes: E[x^2] - E[x]^2 cancels in float32
        variance_C = self.workers.sum(centred.square().sum(axes)) / count
        self._track(mean_C.detach(), variance_C.detach(), count)
        normal = centred * torch.rsqrt(variance_C + self.eps).view(shape)
        if self.weight is not None:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean_C: Tensor, variance_C: Tensor, count: Tensor) -> None:
        momentum = 0.1 if self.momentum is None else self.momentum
        unbiased_C = variance_C * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean_C, momentum)
        self.running_var.lerp_(unbiased_C, momentum)


def synchronise(model: nn.Module, workers: Workers) -> None:
    """Replace every BatchNorm of `model` in training mode; one worker keeps PyTorch's own, which computes the same."""
    if workers.world == 1:
        return
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.modules.batchnorm._BatchNorm) and child.training:
                setattr(parent, name, GlobalBatchNorm(child, workers))


def has_batch_statistics(model: nn.Module) -> bool:
    """True if a forward pass in training mode mixes the rows of a batch."""
    kinds = nn.modules.batchnorm._BatchNorm | GlobalBatchNorm
    return any(isinstance(module, kinds) and module.training for module in model.modules())  # a frozen one is not
