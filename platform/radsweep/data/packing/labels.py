"""Labels of rows (1, 0, uncertain, or None where missing), merged into those of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Labels = Mapping[str, float | None]
UNCERTAIN = -1.0  # of a row; what is left of it in a study is None, as a missing one is
_WEAKEST_FIRST = (None, 0.0, UNCERTAIN, 1.0)


def merge_labels(rows: Sequence[Labels]) -> dict[str, float | None]:
    """Labels of a study from those of its rows: 1 where any row says 1, None where any is uncertain, else 0 where any
    says 0, else None."""
    merged: dict[str, float | None] = {}
    for labels in rows:
        for name, value in labels.items():
            merged[name] = max(merged.get(name), value, key=_WEAKEST_FIRST.index)
    return {name: None if value == UNCERTAIN else value for name, value in merged.items()}
