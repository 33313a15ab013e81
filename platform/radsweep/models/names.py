"""Names of backbones: those known here, and what can be told from a name alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from radsweep.errors import InputError

TORCHVISION = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
)
TINY = ("tiny-cnn", "tiny-vit")
TINY_PATCH = 8  # side of tiny-vit's, pixels
WEIGHT_FILES = (".safetensors", ".pth", ".pt")


def torchvision_name(backbone: str) -> str:
    """The architecture in a name, or in a file's name before the first hyphen (as torchvision's own files have it)."""
    return Path(backbone).stem.split("-")[0] if backbone.endswith(WEIGHT_FILES) else backbone


def check_name(name: str, key: str, known: Iterable[str]) -> None:
    """Tell a missing local folder and a misspelt name from a hub id without asking the hub.

    Raises:
        InputError: names `key`, and the nearest of `known`.
    """
    if Path(name).is_dir():
        return
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise InputError(f"{key}: there is no folder {name}")
    if difflib.get_close_matches(name, list(known), 1, 0.8):
        raise InputError(f"{key}: unknown name {name!r}{nearest(name, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"; did you mean {close[0]}?" if close else ""
