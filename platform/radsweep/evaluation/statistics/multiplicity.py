"""Several comparisons in one table: p adjusted so that any false find among them stays as rare as promised."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


def holm(p_of: Mapping[Key, float]) -> dict[Key, float]:
    """Adjusted p of every comparison of a table, in its order. Source: Holm 1979, Scand. J. Stat. 6:65-70.

    Raises:
        ValueError: a p outside [0, 1].
    """
    if not p_of:
        return {}
    p = np.array(list(p_of.values()), dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p outside [0, 1]: {p[~((p >= 0) & (p <= 1))].tolist()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]))
    return dict(zip(p_of, adjusted.tolist(), strict=True))
