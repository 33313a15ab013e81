"""winner/ is the checkpoint of the trial that the report recommends, and never of another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from radsweep.store.kept_checkpoints import forget_checkpoints, link_winner
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import Reason, Selection
from radsweep.store.store import Store

CELLS = tuple(PlannedCell(key=key, arm=key, number=number) for number, key in enumerate("abc"))
A, B, C = CELLS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with three finished trials and their checkpoints."""
    found = Store(tmp_path / "store")
    for cell in CELLS:
        trial = {"train": {"seed": cell.number}}
        found.write_cell(CellRecord(key=cell.key, trial=trial, status="finished", data="d"))
        folder = found.cell_folder(cell.key) / "checkpoint"
        folder.mkdir()
        (folder / "model.safetensors").write_text(f"weights of {cell.key}")
        (folder / "state.json").write_text(json.dumps({"trial": trial, "tokenizer": "", "data": "d"}))
    return found


def recommending(best: PlannedCell | None, candidate: PlannedCell | None = None) -> Selection:
    return Selection(Reason.BASELINE_KEPT, best, candidate, CELLS)


def weights(report: Path) -> str:
    return (report / "winner" / "model.safetensors").read_text()


def checkpoints(store: Store) -> set[str]:
    return {folder.parent.name for folder in store.root.glob("cells/*/checkpoint")}


def test_the_winner_follows_the_recommendation(store: Store, tmp_path: Path) -> None:
    for cell in (A, B):
        assert link_winner(store, tmp_path, recommending(cell))
        assert weights(tmp_path) == f"weights of {cell.key}"
    store.forget_checkpoint("b")
    assert link_winner(store, tmp_path, recommending(B)), "it is kept although the store removed its own"
    assert weights(tmp_path) == "weights of b"


def test_the_winner_of_a_cross_validation_is_its_first_fold(store: Store, tmp_path: Path) -> None:
    assert link_winner(store, tmp_path, recommending(C.model_copy(update={"key": "c|a|b"})))
    assert weights(tmp_path) == "weights of c"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_winner_that_is_not_recommended_is_removed_even_without_a_replacement(
    store: Store, tmp_path: Path, damaged: bool
) -> None:
    assert link_winner(store, tmp_path, recommending(A))
    if damaged:
        (tmp_path / "winner" / "state.json").unlink()
        (tmp_path / "winner" / "state.json").write_text("{")
    store.forget_checkpoint("b")
    assert not link_winner(store, tmp_path, recommending(B))
    assert not (tmp_path / "winner").exists()


def test_nothing_recommended_means_no_winner(store: Store, tmp_path: Path) -> None:
    assert link_winner(store, tmp_path, recommending(A))
    assert link_winner(store, tmp_path, recommending(None, candidate=B))
    assert not (tmp_path / "winner").exists()


@pytest.mark.parametrize(("status", "kept"), [("finished", "ab"), ("interrupted", "abc")])
def test_the_store_keeps_the_checkpoints_that_a_later_sweep_may_recommend(
    store: Store, status: Literal["finished", "interrupted"], kept: str
) -> None:
    sweep = SweepRecord(
        id="x", name="x", kind="ablation", experiment={}, select="val/x", status=status,
        cells=(*CELLS, PlannedCell(key="d", arm="d")), tuning=(PlannedCell(key="t", arm="a", tuning=0),),
    )  # fmt: skip
    for key in "dt":
        (store.cell_folder(key) / "checkpoint").mkdir(parents=True)
    forget_checkpoints(store, sweep, recommending(A, candidate=B))
    assert checkpoints(store) == set(kept)


def test_an_interrupted_sweep_keeps_the_checkpoints_of_sizes_that_are_not_complete_yet(store: Store) -> None:
    sweep = SweepRecord(
        id="x", name="x", kind="ablation", experiment={}, select="val/x", status="interrupted", cells=CELLS
    )
    forget_checkpoints(store, sweep, Selection(Reason.BASELINE_IS_BEST, A, None, (A,), undecided=(A, C)))
    assert checkpoints(store) == {"a", "c"}
