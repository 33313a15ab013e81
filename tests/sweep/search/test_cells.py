"""Suggestions of a search as cells of the store."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.search import Search
from radsweep.config.trial import Trial
from radsweep.store.records import CellRecord, PlannedCell
from radsweep.store.store import Store
from radsweep.sweep.search.cells import SearchedCells
from radsweep.sweep.search.optuna_study import open_study, put_back
from radsweep.sweep.search.searcher import CELL


@pytest.mark.parametrize("select", ["val/text_to_image/recall_at_10", "val/text_to_image/median_rank"])
def test_a_record_lost_after_its_trial_ended_in_the_study_is_restored(select: str, tmp_path: Path) -> None:
    """Worker and driver died between the two: nothing would run it again, and the sweep would never end."""
    base = trial_with(Trial(data=Data(shards="x")), {"evaluate.select": select})
    sign = 1 if select.endswith("recall_at_10") else -1
    store, cells = Store(tmp_path), []
    nobody: object = None
    found = SearchedCells(base, cells, lambda trial: f"key-{trial.train.warmup}", store, nobody, nobody, lambda: None)
    search = Search.model_validate({"space": {"train.warmup": {"uniform": [0.0, 0.5]}}, "trials": 4})
    study = open_study(search, "mine", optuna.storages.InMemoryStorage())

    def asked(warmup: float) -> optuna.Trial:
        study.enqueue_trial({"train.warmup": warmup})
        trial = study.ask()
        trial.suggest_float("train.warmup", 0.0, 0.5)
        trial.set_user_attr(CELL, found.find({"train.warmup": warmup}, None))
        return trial

    lost, kept, failed, waiting = (asked(warmup) for warmup in (0.1, 0.2, 0.3, 0.4))
    for step, score in ((10, 0.3), (20, 0.2)):
        lost.report(sign * score, step)
    for trial in (lost, kept):
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    put_back(study, waiting.storage, study.get_trials()[waiting.number])
    own = CellRecord(key="key-0.2", trial={}, status="stopped", steps=7)
    store.write_cell(own)
    found.write_lost(study)
    record = store.read_cell("key-0.1")
    assert record is not None
    assert (record.status, record.sweep, record.trial["train"]["warmup"]) == ("stopped", "mine", 0.1)
    assert [(look.step, look.metrics[select]) for look in record.history] == [(10, 0.3), (20, 0.2)]
    assert record.best == {select: 0.3 if sign > 0 else 0.2}
    assert store.read_cell("key-0.2") == own
    assert getattr(store.read_cell("key-0.3"), "status", None) == "failed"
    assert store.read_cell("key-0.4") is None  # is enqueued again
    assert [cell.key for cell in cells if isinstance(cell, PlannedCell)] == [f"key-0.{n}" for n in (1, 2, 3, 4)]
