"""Ray Tune searcher that suggests trials of an Optuna study and reports to it how they ended.

Ray's own OptunaSearch leaves a trial without an objective RUNNING forever, and records stopped and failed ones as
COMPLETE. Here stopped ones are PRUNED and failed ones FAIL, so TPE compares like with like. A suggestion whose cell
has ended already is answered from its record: it counts as a trial and takes no slot.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import optuna
from optuna.trial import TrialState
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from radsweep.config.metrics import Metric
from radsweep.config.search import Search
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.store.pareto import cost_of
from radsweep.store.records import CellRecord
from radsweep.sweep.search.budget import Budget
from radsweep.sweep.search.optuna_study import (
    BRACKET,
    CONTINUES,
    ENTRANT,
    counts,
    points_of_space,
    put_back,
    sampler,
    suggest_values,
)
from radsweep.sweep.search.pruning import Stopping
from radsweep.sweep.search.successive_halving import Brackets
from radsweep.sweep.slots.protocol import AT_STEP, INTERRUPTED, SCORE

CELL, SPENT = "cell", "spent"  # user attributes: a trial's cell key, and the budget that the study spent
FIRST = "first"  # replaces Tune's id for a trial that was suggested before Tune started
REPEATS = 5  # repeated suggestions in a row, after which a point that was not tried yet is drawn


class Cells(Protocol):
    """Interface that turns suggestions into cells: see `cells.py`."""

    def find(self, values: dict[str, Any], pairs: int | None) -> str:
        """Return the key of a suggestion's cell. Raises InputError if its values exclude one another."""

    def ended(self, key: str) -> CellRecord | None:
        """Return the finished record of a cell, if there is one."""

    def known(self, key: str) -> CellRecord | None:
        """Return the same for the last suggestion, before it takes a slot, and report it as reused."""

    def begun(self, values: dict[str, Any], pairs: int | None) -> bool:
        """True if the sweep has a suggestion's cell already."""

    def config(self, key: str) -> dict[str, Any]:
        """Return the configuration of a slot for the last suggestion."""


class TrialOutcome(NamedTuple):
    """Result of a cell, kept in case it is suggested again."""

    state: TrialState
    values: tuple[float, ...]  # score, and cost if there is one
    curve: tuple[tuple[int, float], ...]  # optimiser step, score


@dataclass
class PendingTrial:
    """Trial of the study that has not ended."""

    trial: optuna.Trial
    values: dict[str, Any]
    key: str = ""
    rung: int = 0
    member: int = 0  # its number in its bracket
    curve: list[tuple[int, float]] = field(default_factory=list)


class StudySearch(Searcher):
    """Searcher of one study. A sweep may have several, each with its own base trial."""

    def __init__(
        self,
        search: Search,
        base: Trial,
        cells: Cells,
        study: optuna.Study,
        sizes: Sequence[int] = (),
        gpus: float = 0.0,
    ) -> None:
        """
        Args:
            base: values of keys whose condition does not hold; its `evaluate.select` is the score.
            study: study from `open_study`.
            sizes: rungs of `fidelity: pairs`, rising; the last one is the base trial's own.
            gpus: GPUs that a slot reserves.
        """
        super().__init__(metric=SCORE, mode="max")
        self.search, self.cells, self.study, self.select = search, cells, study, base.evaluate.select
        self.base = base.model_dump(mode="json")
        self.sizes: Sequence[int | None] = [*sizes[:-1], None]
        self.steps = sizes
        self.budget = Budget(search, gpus, study.user_attrs.get(SPENT, {}))
        self.stopping = Stopping(search)
        self.brackets = Brackets(len(sizes), search.reduction_factor) if len(sizes) > 1 else None
        self.points = points_of_space(search, self.base)
        self.tried: set[tuple[tuple[str, Any], ...]] = set()
        self.outcomes: dict[str, TrialOutcome] = {}  # by key of the cell
        self.live: dict[str, PendingTrial] = {}  # by Tune's id
        self.pruned: set[str] = set()
        self.duplicates: defaultdict[str, list[PendingTrial]] = defaultdict(list)  # repeated while it runs, by key
        self.paused: dict[int, PendingTrial] = {}  # between rungs, by member
        self.ready: list[PendingTrial] = []  # promoted
        self.first_config: Any = None
        self.count = self.repeats = 0
        self.ended_by = ""
        self.waiting = 0  # trials of an earlier driver that wait to be continued
        for trial in study.get_trials(deepcopy=False):
            self.waiting += trial.state == TrialState.WAITING and CONTINUES in trial.user_attrs
            if counts(trial):
                self._remember(trial)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune pickles this for restoring, which we do not use."""
        return {}

    def has_more(self) -> bool:
        """True if a trial needs a slot; `suggest` returns that trial first."""
        self.first_config = self.suggest(FIRST)
        return self.first_config != Searcher.FINISHED

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next trial that needs a slot; None if one may follow from those that run."""
        if FIRST in self.live:
            self.live[trial_id] = self.live.pop(FIRST)
            self.budget.start(trial_id)
            return self.first_config
        while (pending := self._next()) is not None:
            try:
                pending.key = self.cells.find(pending.values, self.sizes[pending.rung])
            except InputError as error:  # not at a corner of the space, so the checks could not catch it
                pending.trial.set_user_attr("error", str(error))
                self._tell(pending, TrialOutcome(TrialState.FAIL, (), ()))
                continue
            pending.trial.set_user_attr(CELL, pending.key)
            if any(other.key == pending.key for other in self.live.values()):
                self.duplicates[pending.key].append(pending)
                self.repeats += 1
            elif (known := self._known(pending.key)) is not None:
                self.repeats += pending.rung == 0
                self._tell(pending, known)
            else:
                self.repeats = 0
                self.live[trial_id] = pending
                if trial_id != FIRST:
                    self.budget.start(trial_id)
                    self._keep_spent()
                return self.cells.config(pending.key)
        return None if self.brackets and self.live else Searcher.FINISHED

    def validated(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Note a validation of a running trial; returns True if the trial stops."""
        pending = self.live[trial_id]
        if SCORE not in result or not self._report(pending, result[AT_STEP], result[SCORE]):
            return False
        scores = [score for _, score in pending.curve]
        if self.brackets or not self.stopping.validated(pending.trial.number, scores):
            return False
        self.pruned.add(trial_id)
        return True

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Do nothing: see `validated`, which `StudyScheduler` calls first."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pending = self.live.pop(trial_id)
        self.budget.end(trial_id)
        self._keep_spent()
        result = result or {}
        if result.get("status") == INTERRUPTED and not error:  # a full disk, or a pause: it has a checkpoint
            self.live[trial_id] = pending
            return
        record = self.cells.ended(pending.key) if result.get("status") == "finished" else None
        if trial_id in self.pruned and not error:
            outcome = TrialOutcome(TrialState.PRUNED, (), tuple(pending.curve))
        elif record is not None and not error:
            outcome = self._outcome(record)
        elif error or not result or "status" in result:
            outcome = TrialOutcome(TrialState.FAIL, (), ())
        else:  # cut short from outside
            self.live[trial_id] = pending
            return
        for each in (pending, *self.duplicates.pop(pending.key, [])):
            self._tell(each, outcome)

    def close(self) -> None:
        """End the search after all trials have ended: none stays RUNNING, and interrupted ones are enqueued again."""
        cut = [*self.live.values(), *(duplicate for some in self.duplicates.values() for duplicate in some)]
        if cut:
            self.ended_by = ""
        between = [*self.paused.values(), *self.ready]
        for pending in between if self.ended_by else ():
            self.study.tell(pending.trial, state=TrialState.PRUNED)
        for pending in cut if self.ended_by else cut + between:
            put_back(self.study, pending.trial.storage, pending.trial)
        for trial_id in self.live:
            self.budget.end(trial_id)
        self._keep_spent()
        self.live, self.duplicates, self.paused, self.ready = {}, defaultdict(list), {}, []

    def _next(self) -> PendingTrial | None:
        """Return the next trial; if hours are spent, only one that had begun before an interruption."""
        spent = self.budget.hours_spent(self.count)
        self.ended_by = spent or self.ended_by
        if self.waiting:
            return self._ask()
        if not self.ready and not self.ended_by:
            self.ended_by = self.budget.trials_spent(self.count) or self._exhausted()
        if self.ended_by and self.brackets:
            self.brackets.close()
            self._decide()
        for pending in self.ready:
            if not spent or self.cells.begun(pending.values, self.sizes[pending.rung]):
                self.ready.remove(pending)
                return pending
        return None if self.ended_by else self._ask()

    def _ask(self) -> PendingTrial:
        if self.points and self.repeats >= REPEATS and not self.waiting:
            untried = [point for point in self.points if _frozen(point) not in self.tried]
            self.study.enqueue_trial(random.Random(f"{self.search.seed} {self.count}").choice(untried))
        self.study.sampler = sampler(self.search, self.count)
        trial = self.study.ask()
        self.waiting -= CONTINUES in trial.user_attrs
        pending = PendingTrial(trial, suggest_values(self.search, self.base, trial))
        self.count += 1
        self.tried.add(_frozen(trial.params))
        if self.brackets:
            pending.member = trial.user_attrs.get(ENTRANT, trial.number)  # of equal scores the first wins
            trial.set_user_attr(ENTRANT, pending.member)
            trial.set_user_attr(BRACKET, self.brackets.enter(pending.member, trial.user_attrs.get(BRACKET)))
        elif (before := trial.user_attrs.get(CONTINUES)) is not None:
            curve = self.study.get_trials(deepcopy=False)[before].intermediate_values
            self._replay(pending, tuple(sorted(curve.items())))
        return pending

    def _exhausted(self) -> str:
        if self.points is None or len(self.tried) < len(self.points):
            return ""
        return f"search.space: all its {len(self.points):,} configurations were tried, in {self.count:,} trials"

    def _known(self, key: str) -> TrialOutcome | None:
        """Return the result of a cell of this study, or of one that an earlier sweep finished."""
        if key not in self.outcomes and (record := self.cells.known(key)) is not None:
            return self._outcome(record)
        return self.outcomes.get(key)

    def _outcome(self, record: CellRecord) -> TrialOutcome:
        sign = Metric(self.select).sign
        looks = [
            (look.step, sign * look.metrics[self.select]) for look in record.history if self.select in look.metrics
        ]
        values = [sign * record.best[self.select]]
        if self.search.cost is not None:
            values.append(cost_of(record, self.search.cost))
        return TrialOutcome(TrialState.COMPLETE, tuple(values), tuple(looks))

    def _tell(self, pending: PendingTrial, outcome: TrialOutcome) -> None:
        """Report to the study how a trial ended; below the top rung, the trial waits to be promoted."""
        if pending.key:
            self.outcomes[pending.key] = outcome
        if self.brackets and outcome.state == TrialState.COMPLETE:
            pending.trial.report(outcome.values[0], self.steps[pending.rung])
            self.brackets.ended(pending.member, pending.rung, outcome.values[0])
            if pending.rung < self.brackets.top:
                self.paused[pending.member] = pending
                self._decide()
                return
        elif not self.brackets:
            self._replay(pending, outcome.curve)
        if outcome.state == TrialState.COMPLETE:
            self.study.tell(pending.trial, list(outcome.values))
            return
        self.study.tell(pending.trial, state=outcome.state)
        if outcome.state == TrialState.FAIL:
            self.stopping.forget(pending.trial.number)
            if self.brackets:
                self.brackets.failed(pending.member)
                self._decide()

    def _decide(self) -> None:
        assert self.brackets is not None
        promoted, out = self.brackets.decide()
        for number, rung in promoted:
            if (pending := self.paused.pop(number, None)) is not None:
                pending.rung = rung
                self.ready.append(pending)
        for number in out:
            if (pending := self.paused.pop(number, None)) is not None:
                self.study.tell(pending.trial, state=TrialState.PRUNED)

    def _report(self, pending: PendingTrial, step: int, score: float) -> bool:
        """Note a validation; False if it was noted before its slot died and it continued from its checkpoint."""
        if pending.curve and step <= pending.curve[-1][0]:
            return False
        pending.curve.append((step, score))
        if self.search.cost is None and not self.brackets:  # Optuna has no intermediate values for two objectives
            pending.trial.report(score, step)
        return True

    def _replay(self, pending: PendingTrial, curve: Sequence[tuple[int, float]]) -> None:
        for step, score in curve:
            if self._report(pending, step, score):
                self.stopping.validated(pending.trial.number, [score for _, score in pending.curve])

    def _remember(self, trial: optuna.trial.FrozenTrial) -> None:
        """Restore the state of a trial of an earlier driver."""
        self.count += 1
        self.tried.add(_frozen(trial.params))
        curve = sorted(trial.intermediate_values.items())
        key = trial.user_attrs.get(CELL)
        if BRACKET in trial.user_attrs and self.brackets:
            member = trial.user_attrs.get(ENTRANT, trial.number)
            self.brackets.enter(member, trial.user_attrs[BRACKET])
            for size, score in curve:
                self.brackets.ended(member, self.steps.index(size), score)
            if trial.state == TrialState.FAIL:
                self.brackets.failed(member)
            self.brackets.decide()  # no trial waits for it: all of them have ended
            return
        if key is not None:
            self.outcomes[key] = TrialOutcome(trial.state, tuple(trial.values or ()), tuple(curve))
        if trial.state != TrialState.FAIL:
            for length in range(1, len(curve) + 1):
                self.stopping.validated(trial.number, [score for _, score in curve[:length]])

    def _keep_spent(self) -> None:
        self.study.set_user_attr(SPENT, self.budget.state)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the study is on disk."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: see `save`."""


class StudyScheduler(FIFOScheduler):
    """Tune's scheduler of a search, which stops the trials that the searcher names."""

    def __init__(self, searcher: StudySearch) -> None:
        super().__init__()
        self.searcher = searcher

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing, like the searcher."""
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stops = self.searcher.validated(trial.trial_id, result)
        return str(TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)


def _frozen(params: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))
