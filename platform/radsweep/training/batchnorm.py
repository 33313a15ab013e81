"""Batch normalisation over the global batch, on CPU and GPU (PyTorch's own SyncBatchNorm refuses a CPU)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radsweep.training.collectives import Workers


class GlobalBatchNorm(nn.Module):
    """Statistics of all workers' rows, with the exact gradient through them. Takes over a BatchNorm's parameters."""

    def __init__(self, origin: nn.modules.batchnorm._BatchNorm, workers: Workers) -> None:
        super().__init__()
        self.weight, self.bias = origin.weight, origin.bias
        self.eps, self.momentum = origin.eps, origin.momentum
        self.workers = workers
        self.running_mean: Tensor
        self.running_var: Tensor
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(origin, name))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        features = x.float()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        count = torch.tensor([x.numel() / x.shape[1]], device=x.device)
        totals = self.workers.sum(torch.cat([features.sum(axes), features.square().sum(axes), count]))
        channels = x.shape[1]
        mean_C = totals[:channels] / totals[-1]
        variance_C = (totals[channels:-1] / totals[-1] - mean_C.square()).clamp(min=0)
        self._track(mean_C.detach(), variance_C.detach(), totals[-1].detach())
        shape = [1, channels] + [1] * (x.dim() - 2)
        scale_C = torch.rsqrt(variance_C + self.eps) * (1 if self.weight is None else self.weight)
        shift_C = -mean_C * scale_C + (0 if self.bias is None else self.bias)
        return (features * scale_C.view(shape) + shift_C.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean_C: Tensor, variance_C: Tensor, count: Tensor) -> None:
        momentum = 0.1 if self.momentum is None else self.momentum
        unbiased_C = variance_C * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean_C, momentum)
        self.running_var.lerp_(unbiased_C, momentum)


def synchronise(model: nn.Module, workers: Workers) -> None:
    """Replace every BatchNorm of `model`; one worker keeps PyTorch's own, which computes the same."""
    if workers.world == 1:
        return
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, GlobalBatchNorm(child, workers))


def has_batch_statistics(model: nn.Module) -> bool:
    """Whether a forward pass in training mode mixes the rows of a batch."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm | GlobalBatchNorm) for m in model.modules())
