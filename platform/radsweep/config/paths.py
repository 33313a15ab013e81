"""Names of weights and files as any process would give them: workers run in other folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

TINY = ("tiny-cnn", "tiny-vit")
TINY_TEXT = "tiny-bert"
TORCHVISION = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
)

_RECORDED = ContextVar("recorded", default=False)


@contextmanager
def as_recorded() -> Iterator[None]:
    """Settings validated within keep their paths as they are, and the disk is not read.

    A recorded experiment holds absolute paths already, perhaps of another machine.
    """
    token = _RECORDED.set(True)
    try:
        yield
    finally:
        _RECORDED.reset(token)


def absolute(value: str) -> str:
    """The path of a file or folder of this machine."""
    return value if _RECORDED.get() else str(Path(value).expanduser().absolute())


def absolute_yaml(value: str) -> str:
    """The path of a YAML file, and any other name as it is."""
    return absolute(value) if value.endswith((".yaml", ".yml")) else value


def absolute_weights(value: str) -> str:
    """The path of weights that are there, and any other name as it is: one known here, or a hub id."""
    if _RECORDED.get() or value in (*TINY, TINY_TEXT, *TORCHVISION):
        return value
    return absolute(value) if os.path.exists(os.path.expanduser(value)) else value
