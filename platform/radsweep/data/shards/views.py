"""Frontal and lateral views, from the words that archives have for them."""

from __future__ import annotations

from typing import Literal

Plane = Literal["frontal", "lateral", ""]


def plane(view: str) -> Plane:
    """Return frontal, lateral, or "" if the word for a view means neither (oblique, swimmer's, not given)."""
    words = view.casefold().replace("-", " ").split()
    if "lateral" in words or view.casefold() in ("ll", "rl", "l"):
        return "lateral"
    if {"pa", "ap", "frontal", "antero", "postero", "anteroposterior", "posteroanterior"} & set(words):
        return "frontal"
    return ""
