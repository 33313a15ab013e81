"""Run the phases of a sweep: tuning, a design, a search, the test of its winner, public models."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.storages import BaseStorage

from radsweep.config.ablation import Ablation
from radsweep.config.search import Search
from radsweep.report.analysis.looks import open_comparisons
from radsweep.report.analysis.results import join
from radsweep.store.ledger import read_ledger
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.store.selection import Ending, choices, how_it_ended, is_complete, select_best, without_choice
from radsweep.store.store import Store
from radsweep.sweep.design.added_replicates import cells_through, first_replicates, with_one_more
from radsweep.sweep.design.planned_trials import ablation_cells, cell_trial, plan_cells
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.engine import Engine
from radsweep.sweep.final_evaluation import measure_references, read_test_split
from radsweep.sweep.progress.watch import ProgressCallback
from radsweep.sweep.setup import Setup

AT_A_TIME = 100  # cells that are looked up in the store
# a search over these may need any study of the training split
SUBSETS_OR_FEATURES = ("data.", "model.image.freeze", "augment.image.")


class Phases:
    """Phases of a sweep. `sweep` has what was added so far, also if a phase is interrupted."""

    def __init__(self, setup: Setup, store: Store, sweep: SweepRecord, watch: ProgressCallback) -> None:
        self.setup, self.store, self.sweep, self.watch = setup, store, sweep, watch
        self.engine, self.console = Engine(setup, store, sweep, watch), watch.console

    def run(self, cells: Sequence[PlannedCell], storage: BaseStorage | None) -> Ending:
        """Run every phase that the experiment asks for.

        Args:
            cells: cells of the plan; none if a search suggests them one by one.
            storage: the Optuna study of such a search.
        """
        ablation, search = self.setup.experiment.ablation, self.setup.experiment.search
        try:
            whole = True
            if ablation and ablation.tune:
                whole = self.tuned(ablation)
            elif ablation and ablation.seeds.until:
                whole = self.until_decided(ablation)
            elif search is not None and storage is not None:
                whole = self.search(search, storage)
            else:
                self.design(cells, read_test=search is None)  # a search reads it only for its winner
            self.watch.collect(self.sweep.cells)
            status = how_it_ended(self.sweep.cells, self.watch.ended, whole)
            if status != "interrupted" and search is not None:
                self.test_of_winner()
            if status != "interrupted" and self.setup.base.evaluate.public_models:
                self.references()
        except KeyboardInterrupt:
            return "interrupted"
        return status

    def design(self, cells: Sequence[PlannedCell], read_test: bool, later: Sequence[PlannedCell] = ()) -> None:
        """Reuse every cell that is complete in the store and run the others; a repeated cell runs once.

        Args:
            later: cells that may follow, whose data is prepared with that of the first that run.
        """
        not_before = self.sweep.not_before
        self.store.fetch(dict.fromkeys(cell.key for cell in cells), not_before)
        known: set[str] = set()
        with self.watch.mirror.paused():
            for start in range(0, len(cells), AT_A_TIME):
                some = cells[start : start + AT_A_TIME]
                found = self.store.read_cells(dict.fromkeys(cell.key for cell in some))
                there = {key: record for key, record in found.items() if is_complete(record, read_test, not_before)}
                known |= there.keys()
                self.watch.reuse([(cell, there[cell.key]) for cell in some if cell.key in there])
        todo = list({cell.key: cell for cell in cells if cell.key not in known}.values())
        if not todo:
            return
        if not (later and self.setup.preparations.made):
            self.setup.preparations.make([cell_trial(self.setup.base, cell) for cell in (*todo, *later)])
        stages = self.engine.stages(todo)
        self.store.fetch([stage.key for stage in stages], not_before, stages=True)
        read = ((stage, self.store.read_stage(stage.key)) for stage in stages)
        self.watch.reuse([(stage, r) for stage, r in read if r is not None and is_complete(r, False, not_before)])
        with self.watch.bar():
            self.engine.run_cells(todo, read_test, [stage for stage in stages if stage.key not in self.watch.stages])

    def tuned(self, ablation: Ablation) -> bool:
        """Tune each arm's settings on the validation split, then run the choice from new starts; only that is tested.

        Returns:
            True if all settings were selected; False if tuning was cut short, so that cells are missing.
        """
        replicates = len(ablation.tuned_replicates())
        times = f" in each of {replicates:,} replicates" if replicates > 1 else ""
        self.console.say(f"Tuning{times}: {len(self.sweep.tuning):,} trials in all, none of which reads the test split")
        self.design(self.sweep.tuning, read_test=False)
        self.watch.collect(self.sweep.tuning)
        if any(cell.key not in self.watch.ended for cell in self.sweep.tuning):
            return False
        chosen = choices(self.sweep.tuning, self.watch.ended, self.sweep.select)
        notes = tuple(without_choice(self.sweep.tuning, self.watch.ended, chosen))
        for note in notes:
            self.console.say(note)
        cells = ablation_cells(self.setup.base, ablation, self.setup.key_of, chosen)
        self.watch.expect((*self.sweep.tuning, *cells))
        self.sweep = self.sweep.model_copy(update={"cells": tuple(cells), "notes": notes})
        self.store.write_sweep(self.sweep)
        self.console.say(f"Running the selected configurations from new starts: {len(cells):,} trials")
        self.design(cells, read_test=True)
        return True

    def until_decided(self, ablation: Ablation) -> bool:
        """Add replicates where a comparison is open, look by look.

        Returns:
            True if every comparison is decided or has the most replicates; False if a look was cut short.
        """
        every = plan_cells(self.setup.experiment, self.setup.key_of)
        replicates, most = first_replicates(every, ablation), ablation.seeds.most
        while True:
            cells = cells_through(every, replicates)
            self.watch.expect(cells)
            self.sweep = self.sweep.model_copy(update={"cells": tuple(cells)})
            self.store.write_sweep(self.sweep)
            self.design([cell for cell in cells if cell.key not in self.watch.ended], read_test=True, later=every)
            self.watch.collect(cells)
            if any(cell.key not in self.watch.ended for cell in cells):
                return False
            ledger = read_ledger(self.store, self.sweep, self.watch.ended)
            still_open = open_comparisons(join(self.sweep, self.watch.ended, self.store.read_queries, ledger=ledger))
            grown = with_one_more(replicates, still_open, self.sweep.baseline, most)
            if grown == replicates:
                return True
            added = sum(grown.values()) - sum(replicates.values())
            self.console.say(
                f"{len(still_open):,} comparisons are open: adding {added:,} replicates, of at most {most} for each arm"
            )
            replicates = grown

    def search(self, search: Search, storage: BaseStorage) -> bool:
        """Run the search; True if it came to its end."""
        whole = any(key.startswith(SUBSETS_OR_FEATURES) for key in search.space)
        self.setup.preparations.make(possible_trials(self.setup.experiment), whole)
        with self.watch.bar():
            cells, ended_by = self.engine.run_search(search, storage)
        self.sweep = self.sweep.model_copy(update={"cells": tuple(cells), "ended_by": ended_by})
        self.console.say(f"The search ended: {ended_by}" if ended_by else "The search was cut short")
        return bool(ended_by)

    def test_of_winner(self) -> None:
        """Evaluate only the winner of a search on the test split."""
        best = select_best(self.sweep, self.sweep.cells, self.watch.ended).recommended
        if best is None:
            return
        self.console.say("Reading the test split for the winner")
        preparations, trial = self.setup.preparations, cell_trial(self.setup.base, best)
        if preparations.key(trial) not in preparations.made:
            preparations.make([trial])

        again = lambda: self.engine.run_cells([best], read_test=True)  # noqa: E731
        record = read_test_split(self.setup, self.store, best, again)
        if record is not None:
            self.watch.update(record)

    def references(self) -> None:
        """Evaluate public models on the test split that the cells read."""

        measured = measure_references(self.setup, self.store, self.console)
        self.sweep = self.sweep.model_copy(update={"references": tuple(cell for cell, _ in measured)})
        for cell, record in measured:
            self.watch.reference(cell, record)
