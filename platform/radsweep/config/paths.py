"""Names of weights and files as any process would give them: workers run in other folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

TINY = ("tiny-cnn", "tiny-vit")
TINY_TEXT = "tiny-bert"
TIMM = "timm:"  # before a name of timm's, a hub id, or the path of a folder or file
TORCHVISION = (
    *("alexnet", "convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *(f"efficientnet_{size}" for size in ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_s", "v2_m", "v2_l")),
    *("googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    *(f"regnet_x_{size}" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *(f"regnet_y_{size}" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    *("squeezenet1_0", "squeezenet1_1", "swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b"),
    *("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
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


def is_timm(backbone: str) -> bool:
    return backbone.startswith(TIMM)


def absolute_weights(value: str) -> str:
    """The path of weights that are there, and any other name as it is: one known here, or a hub id.

    After `timm:`, a word without a slash is a name of timm's, not a folder.
    """
    if _RECORDED.get() or value in (*TINY, TINY_TEXT, *TORCHVISION):
        return value
    prefix, name = (TIMM, local_weights(value)) if is_timm(value) else ("", value)
    path = os.path.expanduser(name)
    there = os.path.exists(path) and not (prefix and os.path.isdir(path) and "/" not in name)
    return prefix + absolute(name) if there else value


def local_weights(value: str) -> str:
    """A name of weights as a path would be, without the library's name before it."""
    return value.removeprefix(TIMM)
