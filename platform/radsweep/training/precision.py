"""Precision of a run: towers and heads under autocast, losses in float32, gradients scaled if they are fp16."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from radsweep.errors import InputError

SMALLEST_SCALE = 2.0**-14  # of the loss in fp16: gradients that overflow even so do not depend on the scale


def half_type(precision: str, device: torch.device) -> torch.dtype | None:
    """The type that matrix products have under `train.precision`; None is float32, also if the device lacks the type.

    auto is bf16 on a GPU that computes in it, fp16 on any other GPU, and float32 on a CPU.
    """
    gpu = device.type == "cuda"
    bf16 = not gpu or torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "auto" and gpu:
        return torch.bfloat16 if bf16 else torch.float16
    if precision == "bf16" and bf16:
        return torch.bfloat16
    return torch.float16 if precision == "fp16" and gpu else None


def mixed_precision(precision: str, device: torch.device) -> torch.autocast:
    """Autocast to `half_type`; it does nothing if that is None."""
    dtype = half_type(precision, device)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def _unscaled() -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", enabled=False)


@dataclass
class Precision:
    """Types and scaling of a run; the default is float32 throughout."""

    dtype: torch.dtype | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    scaler: torch.amp.GradScaler = field(default_factory=_unscaled)

    def autocast(self) -> torch.autocast:
        """For towers and heads. Neither losses nor backward passes belong in it."""
        return torch.autocast(self.device, self.dtype, enabled=self.dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of the loss, times the scaler's factor."""
        self.scaler.scale(loss).backward()

    def step(self, optimiser: torch.optim.Optimizer) -> bool:
        """A step of the optimiser, whose gradients `scaler.unscale_` has brought back; False if it was skipped.

        Gradients are those of all workers by then, so all of them skip the same steps.

        Raises:
            OverflowError: gradients are infinite at every scale.
        """
        before = self.scaler.get_scale()
        self.scaler.step(optimiser)
        self.scaler.update()
        skipped = self.scaler.get_scale() < before
        if skipped and before <= SMALLEST_SCALE:
            raise OverflowError
        return not skipped


def precision_for(precision: str, device: torch.device) -> Precision:
    """The precision of a run that trains.

    Raises:
        InputError: the device lacks the type.
    """
    dtype = half_type(precision, device)
    if precision in ("bf16", "fp16") and dtype is None:
        if precision == "fp16":
            reason = "fp16 is for GPUs, and this trial runs on a CPU; set it to auto, which is fp32 on a CPU"
        else:
            reason = (
                f"{torch.cuda.get_device_name(device)} does not compute in bf16; set it to auto, which is fp16 there"
            )
        raise InputError(reason, key="train.precision")
    kind: Literal["cpu", "cuda"] = "cuda" if device.type == "cuda" else "cpu"
    return Precision(dtype, kind, torch.amp.GradScaler(kind, enabled=dtype == torch.float16))
