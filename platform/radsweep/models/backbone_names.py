"""Names of backbones: those known here, and what a name by itself says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from radsweep.errors import InputError

TINY_PATCH = 8  # side of tiny-vit's, pixels
WEIGHT_FILES = (".safetensors", ".pth", ".pt")


def architecture_in(backbone: str) -> str:
    """The architecture in a name, or in a file's name before the first hyphen (as torchvision's own files have it)."""
    return Path(backbone).stem.split("-")[0] if backbone.endswith(WEIGHT_FILES) else backbone


def check_name(name: str, known: Iterable[str]) -> None:
    """Tell a missing local folder and a misspelt name from a hub id without asking the hub.

    Raises:
        InputError: names the nearest of `known`.
    """
    if Path(name).is_dir():
        return
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise InputError(f"the folder {name} does not exist")
    if difflib.get_close_matches(name, list(known), 1, 0.8):
        raise InputError(f"unknown name {name!r}{nearest(name, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"; did you mean {close[0]}?" if close else ""
