"""Checkpoints of trials that outlive their sweep: the winner's beside the report, and a few in the store."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from radsweep.store.fold_pooling import fold_keys
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.store.selection import Selection
from radsweep.store.store import Store

WINNER = "winner"  # folder beside the report


def link_winner(store: Store, report: Path, selection: Selection) -> bool:
    """Make winner/ the checkpoint of the recommended trial; in a cross-validation, that of its first fold.

    A winner/ of another trial, from an earlier report, is removed, since it would contradict best.yaml.

    Returns:
        False if the store no longer has that checkpoint.
    """
    winner = report / WINNER
    if selection.recommended is None:
        shutil.rmtree(winner, ignore_errors=True)
        return True
    key = _own_key(selection.recommended)
    checkpoint = store.cell_folder(key) / "checkpoint"
    if checkpoint.is_dir():
        shutil.rmtree(winner, ignore_errors=True)
        shutil.copytree(checkpoint, winner, copy_function=os.link)
    elif not _is_checkpoint_of(store, key, winner):
        shutil.rmtree(winner, ignore_errors=True)
    return winner.is_dir()


def forget_checkpoints(store: Store, sweep: SweepRecord, selection: Selection) -> None:
    """Remove the checkpoints of the sweep's cells that are not needed any more.

    The candidate's is kept, since more replicates may make it the recommended arm. An interrupted sweep keeps that of
    every contender, and of those at larger sizes, since the rest of the sweep decides between them.
    """
    decided = (selection.recommended, selection.candidate)
    open_ones = (*selection.contenders, *selection.undecided)
    kept = {_own_key(cell) for cell in (open_ones if sweep.status == "interrupted" else decided) if cell}
    for cell in (*sweep.tuning, *sweep.cells):
        if cell.key not in kept:
            store.forget_checkpoint(cell.key)


def _own_key(cell: PlannedCell) -> str:
    """Return the key of the cell itself, or of the first fold behind a pooled one."""
    return fold_keys(cell.key)[0]


def _is_checkpoint_of(store: Store, key: str, folder: Path) -> bool:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    record = store.read_cell(key)
    return record is not None and bool(state.get("trial") == record.trial and state.get("data") == record.data)
