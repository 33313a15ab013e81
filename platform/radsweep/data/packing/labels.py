"""Labels of rows (1, 0, uncertain, or None if missing), merged into those of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Labels = Mapping[str, float | None]
UNCERTAIN = -1.0  # of a row; in a study it becomes None, like a missing label
_WEAKEST_FIRST = (None, 0.0, UNCERTAIN, 1.0)


def merge_labels(rows: Sequence[Labels]) -> Labels:
    """Merge the labels of a study's rows: 1 if any row has 1, else None if any is uncertain, else 0 if any has 0.

    A label that no row has a value for is None.
    """
    if len(rows) == 1 and UNCERTAIN not in rows[0].values():
        return rows[0]
    merged: dict[str, float | None] = {}
    for labels in rows:
        for name, value in labels.items():
            merged[name] = max(merged.get(name), value, key=_WEAKEST_FIRST.index)
    return {name: None if value == UNCERTAIN else value for name, value in merged.items()}
