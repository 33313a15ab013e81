"""What readers must know of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping

from radsweep.store.records import CellRecord, SweepRecord


def with_fold_note(sweep: SweepRecord, cells: Mapping[str, CellRecord]) -> SweepRecord:
    """The sweep, its notes saying how its folds were tested; unchanged without folds."""
    folds = {cell.fold for cell in sweep.cells} - {None}
    if not folds:
        return sweep
    pools = {cells[cell.key].pool.get("test/candidates", 0) for cell in sweep.cells if cell.key in cells} - {0}
    sizes = " to ".join(f"{size:,}" for size in sorted({min(pools), max(pools)})) if pools else ""
    note = (
        f"{len(folds)}-fold cross-validation by patient, all splits pooled: every query was ranked among the "
        f"{f'{sizes} ' if sizes else ''}candidates of its own fold. A replicate's steps and seconds are those of its "
        f"{len(folds)} trainings together."
    )
    return sweep.model_copy(update={"notes": (*sweep.notes, note)})
