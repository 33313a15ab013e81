"""Frontal and lateral views of radiographs, and labels that may be uncertain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import Field

from radsweep.data.importers.toolkit.importer import Recorded
from radsweep.data.importers.toolkit.labels import flag
from radsweep.data.importers.toolkit.tables import Row
from radsweep.data.packing.labels import UNCERTAIN, Labels
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.shards.views import plane
from radsweep.errors import InputError

ViewChoice = Literal["all", "frontal", "lateral"]
Uncertain = Literal["unknown", "positive", "negative"]
LabelState = Literal["positive", "negative", "uncertain", "not_mentioned"]
CHEXPERT_CLASSES = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip


_POLICY: dict[Uncertain, float] = {"unknown": UNCERTAIN, "positive": 1.0, "negative": 0.0}


class ViewSettings(PackSettings):
    """Options of importers that know the view of each image."""

    views: ViewChoice = Field("all", description="images to keep; those of unknown view are only kept with `all`")


class UncertainSettings(PackSettings):
    """Options of importers whose labels may be uncertain (-1)."""

    uncertain: Uncertain = Field(
        "unknown", description="value of an uncertain label (-1); one that is not mentioned is always unknown"
    )


class FlagReader:
    """Read and count CheXpert's flags: 1, 0, -1 (uncertain), empty (not mentioned, so unknown)."""

    def __init__(self, classes: Sequence[str], uncertain: Uncertain) -> None:
        self._classes, self._uncertain = classes, uncertain
        self._counts: Counter[LabelState] = Counter()
        self._seen: dict[tuple[str, ...], tuple[Labels, list[LabelState]]] = {}  # few combinations, many rows

    def read(self, row: Row, where: str) -> Labels:
        """Return the labels of a study or image; pass each once. Raises InputError that begins with `where`."""
        cells = tuple(row[name] for name in self._classes)
        if cells not in self._seen:
            self._seen[cells] = self._parse(cells, where)
        labels, states = self._seen[cells]
        self._counts.update(states)
        return labels

    def _parse(self, cells: Sequence[str], where: str) -> tuple[Labels, list[LabelState]]:
        labels: dict[str, float | None] = {}
        states = []
        for name, cell in zip(self._classes, cells, strict=True):
            state, value = _read(cell, f"{where}: {name}")
            labels[name] = _POLICY[self._uncertain] if state == "uncertain" else value
            states.append(state)
        return labels, states

    @property
    def note(self) -> str:
        counted = ", ".join(f"{self._counts[state]} {state.replace('_', ' ')}" for state in get_args(LabelState))
        uncertain = "uncertain and" if self._uncertain == "unknown" else f"uncertain are {self._uncertain},"
        return f"labels read: {counted}; {uncertain} not mentioned are unknown"

    @property
    def recorded(self) -> Recorded:
        """Number of cells of the source's table by state, packed or not, for the manifest."""
        return {
            "uncertain": self._uncertain,
            **{f"labels_{state}": self._counts[state] for state in get_args(LabelState)},
        }


def _read(cell: str, where: str) -> tuple[LabelState, float | None]:
    """Return a cell's state, and its value before uncertain values are replaced."""
    try:
        value = flag(cell)
    except ValueError as error:
        raise InputError(f"{where}: expected 1, 0, -1 or nothing") from error
    if value is None:
        return "not_mentioned", None
    return ("uncertain" if value == UNCERTAIN else "positive" if value else "negative"), value


def keep_views(rows: Sequence[SourceRow], views: ViewChoice) -> tuple[list[SourceRow], Recorded, list[str]]:
    """Return the rows of the requested views, values for the manifest, and notes.

    Raises:
        InputError: no image has the view.
    """
    kept = [row for row in rows if views in ("all", plane(row.view))]
    if not kept:
        raise InputError(f"no image is {views}; omit --views")
    left_out = len(rows) - len(kept)
    notes = [f"{left_out} images were left out by --views {views}"] if left_out else []
    return kept, {"views": views, "rows_left_out_by_views": left_out}, notes
