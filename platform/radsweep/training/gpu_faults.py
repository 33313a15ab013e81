"""A GPU that a trial's process can no longer use, and one whose memory it gives back."""

from __future__ import annotations

import gc

import torch

NAMED = ("CUDA error", "cuDNN error")  # how errors of libraries begin that PyTorch raises as plain RuntimeErrors


def is_lost(error: BaseException, device: torch.device) -> bool:
    """True if an error leaves a GPU that only a new process can use, or has filled its memory.

    After an illegal access, a failed assert or an ECC error every later call fails, whichever trial makes it.
    """
    if isinstance(error, torch.AcceleratorError | torch.OutOfMemoryError) or str(error).startswith(NAMED):
        return True
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:  # what was raised had another name
        return True
    return False


def give_back(device: torch.device) -> None:
    """Free what a trial held: other slots may share the GPU."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def in_one_line(error: BaseException) -> str:
    """An error for a record, and what to do if that is known."""
    if isinstance(error, torch.OutOfMemoryError):
        return (
            "the GPU's memory is full: lower train.batch_size or raise train.accumulate, or let fewer trials share "
            "the GPU (run.gpus_per_worker)"
        )
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
