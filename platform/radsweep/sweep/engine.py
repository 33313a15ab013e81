"""Run trials with Ray Tune in warm slots: those of a design, or those that a search suggests."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from optuna.storages import BaseStorage
from ray import tune

from radsweep.cluster.trial_capacity import Capacity
from radsweep.cluster.versions import versions
from radsweep.config.search import Search
from radsweep.config.trial import Trial
from radsweep.data.loading.subsets import subset_size
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import cell_trial
from radsweep.sweep.identity.cell_key import stage_keys
from radsweep.sweep.identity.code import code_fingerprint
from radsweep.sweep.progress.watch import ProgressCallback
from radsweep.sweep.search.cells import SearchedCells
from radsweep.sweep.search.optuna_study import open_study
from radsweep.sweep.search.searcher import StudyScheduler, StudySearch
from radsweep.sweep.setup import Setup
from radsweep.sweep.slots.ray_internals import keep_keys_out_of_logs
from radsweep.sweep.slots.slot import Slot
from radsweep.training.task import Task

SLOT_RESTARTS = 3  # attempts for a trial whose slot died


class Engine:
    """Run the trials of a sweep: a list of cells, or a search."""

    def __init__(self, setup: Setup, store: Store, sweep: SweepRecord, watch: ProgressCallback) -> None:
        self.setup, self.store, self.sweep, self.watch = setup, store, sweep, watch
        self.scratch = store.scratch_folder(sweep.id)
        self.asked_for: set[str] = set()  # stages

    def stage_keys(self, trial: Trial) -> dict[str, str]:
        return stage_keys(trial, self.setup.shards.manifest.fingerprint, self.setup.capacity.device)

    def stages(self, cells: Iterable[PlannedCell]) -> list[PlannedCell]:
        """Return the adaptation stages that cells start from, each once."""
        found: dict[str, PlannedCell] = {}
        for cell in cells:
            for name, key in self.stage_keys(cell_trial(self.setup.base, cell)).items():
                if key not in found:
                    found[key] = PlannedCell(key=key, stage=name, number=-1 - len(found))
        return list(found.values())

    def run_cells(self, cells: list[PlannedCell], read_test: bool, stages: Sequence[PlannedCell] = ()) -> None:
        """Run cells to their end, after the adaptation stages among them that do not exist yet.

        Cells whose workers reserve the same resources share slots; the others follow when these are done. Cells that
        start from a stage come last, since a slot would wait for another one that computes the stage.
        """
        groups: dict[Capacity, list[PlannedCell]] = {}
        for cell in cells:
            groups.setdefault(self.setup.capacity_of(cell), []).append(cell)
        waiting = {stage.key: stage for stage in stages}
        for capacity, alike in groups.items():
            if self.watch.interruption.reason:
                return
            configs = [self._config(cell, cell_trial(self.setup.base, cell), read_test) for cell in alike]
            configs.sort(key=lambda config: bool(config["task"]["stages"]))
            first = [
                {"cell": stage.model_dump(mode="json"), "task": config["task"] | {"key": key, "stage": name}}
                for config in configs
                for name, key in config["task"]["stages"].items()
                if (stage := waiting.pop(key, None)) is not None
            ]
            param_space = {"work": tune.grid_search([*first, *configs])}
            self._fit(capacity, tune.TuneConfig(), wait_for_reply=False, param_space=param_space)

    def run_search(self, search: Search, storage: BaseStorage) -> tuple[list[PlannedCell], str]:
        """Run the trials that are left of a search.

        Returns:
            All cells that it suggested, in order, and which budget ended it, in words; empty if it was interrupted.
        """
        setup = self.setup
        cells: list[PlannedCell] = list(self.sweep.cells)

        def write() -> None:
            self.store.write_sweep(self.sweep.model_copy(update={"cells": tuple(cells)}))

        def config_of(cell: PlannedCell, trial: Trial) -> dict[str, Any]:
            return self._config(cell, trial, read_test=False)

        found = SearchedCells(
            setup.base, cells, setup.key_of, self.store, self.watch, config_of, write, not_before=self.sweep.not_before
        )
        study = open_study(search, self.sweep.id, storage)
        sizes = search.sizes(self._pairs(setup.base)) if search.fidelity == "pairs" else ()
        searcher = StudySearch(search, setup.base, found, study, sizes, setup.capacity.gpus * setup.capacity.workers)
        try:
            if searcher.has_more():
                scheduler = StudyScheduler(searcher)
                config = tune.TuneConfig(search_alg=searcher, num_samples=-1, scheduler=scheduler)
                self._fit(setup.capacity, config, wait_for_reply=search.scheduler != "none" and not sizes)
        finally:
            searcher.close()
            found.write_lost(study)
        return cells, searcher.ended_by

    def _pairs(self, trial: Trial) -> int:
        """Number of training studies of a trial."""
        available = len(self.setup.preparations.shards_of(trial).splits["train"])
        return subset_size(available, trial.data.pairs, trial.data.fraction)

    def _config(self, cell: PlannedCell, trial: Trial, read_test: bool) -> dict[str, Any]:
        stages = self.stage_keys(trial)
        new = set(stages.values()) - self.asked_for
        for key in new:
            self.store.forget_stage(key, self.sweep.not_before)
        self.store.fetch(new, self.sweep.not_before, stages=True)
        self.asked_for |= new
        self.store.forget_cell(cell.key, self.sweep.not_before)
        task = Task(
            key=cell.key,
            trial=trial.model_dump(mode="json"),
            folder=str(self.store.cell_folder(cell.key)),
            data=self.setup.preparations.key(trial),
            read_test=read_test,
            code=code_fingerprint(),
            versions=versions(),
            stages=stages,
            sweep=self.sweep.id,
        )
        return {"cell": cell.model_dump(mode="json"), "task": task._asdict()}

    def _fit(
        self,
        capacity: Capacity,
        config: tune.TuneConfig,
        wait_for_reply: bool,
        param_space: dict[str, Any] | None = None,
    ) -> None:
        settings = {
            "store": str(self.store.root),
            "data": self.setup.preparations.references,
            "select": self.sweep.select,
            "workers": capacity.workers,
            "resources": capacity.resources,
            "use_gpu": capacity.gpus > 0,
            "wait_for_reply": wait_for_reply,
            "scratch": str(self.scratch),
        }
        config.max_concurrent_trials = capacity.slots
        config.reuse_actors = True
        config.trial_name_creator = lambda trial: trial.trial_id
        config.trial_dirname_creator = lambda trial: trial.trial_id
        # A slot reserves a byte of memory, since Ray requires a request and CPUs are for workers.
        trainable = tune.with_resources(tune.with_parameters(Slot, settings=settings), {"memory": 1})
        run = tune.RunConfig(
            storage_path=str(self.scratch),
            name="tune",
            callbacks=[self.watch],
            stop=self.watch.interruption,
            failure_config=tune.FailureConfig(max_failures=SLOT_RESTARTS),
            verbose=0,
            progress_reporter=tune.CLIReporter(),  # in a notebook, the default clears our lines despite verbose=0
        )
        keep_keys_out_of_logs()
        try:
            with self.watch.interruption:
                tune.Tuner(trainable, param_space=param_space, tune_config=config, run_config=run).fit()
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
