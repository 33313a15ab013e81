"""Turn suggestions of a search into cells of its sweep, and find those that ended already in the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import optuna
from optuna.trial import TrialState

from radsweep.config.load import trial_with
from radsweep.config.metrics import Metric
from radsweep.config.trial import Trial
from radsweep.store.records import CellRecord, PlannedCell, Validation, now
from radsweep.store.selection import is_complete
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import KeyOf, cell_trial, planned
from radsweep.sweep.progress.watch import ProgressCallback
from radsweep.sweep.search.optuna_study import counts
from radsweep.sweep.search.searcher import CELL


class SearchedCells:
    """`Cells` of a searcher. A cell that is suggested twice is one cell of the sweep."""

    def __init__(
        self,
        base: Trial,
        cells: list[PlannedCell],
        key_of: KeyOf,
        store: Store,
        watch: ProgressCallback,
        config_of: Callable[[PlannedCell, Trial], dict[str, Any]],
        write: Callable[[], None],
        arm: str = "",
        not_before: str = "",
    ) -> None:
        """
        Args:
            cells: cells of the sweep so far; new ones are added.
            config_of: returns the configuration of a slot for a cell.
            write: writes the sweep's record, after a cell was added.
            not_before: records that ended before this do not count.
        """
        self.base, self.cells, self.key_of, self.store, self.watch = base, cells, key_of, store, watch
        self.config_of, self.write, self.arm, self.not_before = config_of, write, arm, not_before
        self.trial = base  # of the last suggestion
        self.by_key = {cell.key: cell for cell in cells}

    def find(self, values: dict[str, Any], pairs: int | None) -> str:
        places = _places(values, pairs)
        cell = planned(self.base, places, self.key_of, len(self.cells), self.arm)
        self.trial = trial_with(self.base, places)
        if cell.key not in self.by_key:
            cell = cell.model_copy(update={"changes": values, "lower_rung": pairs is not None})
            self.by_key[cell.key] = cell
            self.cells.append(cell)
            self.write()
        return cell.key

    def ended(self, key: str) -> CellRecord | None:
        record = self.store.read_cell(key)
        return record if record is not None and is_complete(record, False, self.not_before) else None

    def known(self, key: str) -> CellRecord | None:
        self.store.fetch([key], self.not_before)
        record = self.ended(key)
        if record is not None and key not in self.watch.ended:
            self.watch.reuse([(self.by_key[key], record)])
        return record

    def write_lost(self, study: optuna.Study) -> None:
        """Write records of trials that ended in the study, but whose own record was lost with worker and driver.

        The study has their scores; without a record the sweep would count as interrupted forever.
        """
        ended = {
            trial.user_attrs[CELL]: trial
            for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED, TrialState.FAIL))
            if CELL in trial.user_attrs and counts(trial)
        }
        select = self.base.evaluate.select
        sign = Metric(select).sign
        for cell in self.cells:
            if cell.key not in ended or self.store.read_cell(cell.key) is not None:
                continue
            trial = ended[cell.key]
            curve = sorted(trial.intermediate_values.items())
            record = CellRecord(
                key=cell.key,
                trial=cell_trial(self.base, cell).model_dump(mode="json"),
                status="stopped" if trial.state == TrialState.PRUNED else "failed",
                error="the record was lost with its worker; this one was restored from the Optuna study",
                history=tuple(
                    Validation(epoch=0, step=step, seconds=0.0, metrics={select: sign * score}) for step, score in curve
                ),
                best={select: sign * max(score for _, score in curve)} if curve else {},
                sweep=study.study_name,
                ended=now(),
            )
            with suppress(OSError):  # a full disk: the next resume does it
                self.store.write_cell(record)

    def begun(self, values: dict[str, Any], pairs: int | None) -> bool:
        return self.key_of(trial_with(self.base, _places(values, pairs))) in self.by_key

    def config(self, key: str) -> dict[str, Any]:
        return {"work": self.config_of(self.by_key[key], self.trial)}


def _places(values: dict[str, Any], pairs: int | None) -> dict[str, Any]:
    return values if pairs is None else values | {"data.pairs": pairs}
