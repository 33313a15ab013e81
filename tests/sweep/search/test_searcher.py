"""Searches with Optuna: conditions, seeds, states, reused records, rungs, budgets."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from radsweep.config.data import Data
from radsweep.config.search import Search
from radsweep.config.trial import Trial
from radsweep.store.records import CellRecord, Validation
from radsweep.sweep.search.optuna_study import counts, open_study
from radsweep.sweep.search.searcher import StudySearch

SPACE = {
    "objective.local.attention": {"loguniform": [1, 10], "only_if": "objective.local.weight > 0"},
    "objective.local.weight": {"choice": [0.0, 1.0]},
    "augment.image.crop": {"choice": [[0.6, 1.0], [0.8, 1.0]]},
    "train.warmup": {"uniform": [0.0, 0.3]},
    "train.patience": {"int": [2, 5]},
}
SMALL = {"train.patience": {"int": [2, 3]}, "objective.local.weight": {"choice": [0.0, 1.0]}}
SELECT = "val/text_to_image/recall_at_10"


class Store:
    """Cells whose records the test makes; a key consists of the values and the pairs."""

    def __init__(self) -> None:
        self.records: dict[str, CellRecord] = {}
        self.asked: list[str] = []

    def find(self, values: dict[str, Any], pairs: int | None) -> str:
        return json.dumps([values, pairs], sort_keys=True)

    def ended(self, key: str) -> CellRecord | None:
        return self.records.get(key)

    known = ended

    def begun(self, values: dict[str, Any], pairs: int | None) -> bool:
        return self.find(values, pairs) in self.asked

    def config(self, key: str) -> dict[str, Any]:
        self.asked.append(key)
        return {"key": key, "values": json.loads(key)[0], "pairs": json.loads(key)[1]}

    def finish(self, key: str, *scores: float, seconds: float = 1.0) -> None:
        looks = tuple(Validation(epoch=i, step=5 * i, seconds=i, metrics={SELECT: s}) for i, s in enumerate(scores, 1))
        best = {SELECT: max(scores)}
        self.records[key] = CellRecord(
            key=key, trial={}, status="finished", history=looks, best=best, seconds={"training": seconds}
        )


@functools.cache
def storage(file: Path) -> optuna.storages.BaseStorage:
    """A study in memory: a thousand commits to a disk take minutes on a busy machine."""
    return optuna.storages.InMemoryStorage()


def searcher(file: Path, store: Store | None = None, sizes: tuple[int, ...] = (), **settings: Any) -> StudySearch:
    search = Search.model_validate({"space": SPACE, "trials": 12} | settings)
    study = open_study(search, "study", storage(file))
    return StudySearch(search, Trial(data=Data(shards="x")), store or Store(), study, sizes)


def run(search: StudySearch, trial_id: str, *scores: float, seconds: float = 1.0) -> Any:
    """Run a suggested trial with these scores; returns its configuration, or Searcher.FINISHED."""
    asked = search.suggest(trial_id)
    if not isinstance(asked, dict):
        return asked
    for step, score in enumerate(scores, 1):
        if search.validated(trial_id, {"score": score, "at_step": 5 * step}):
            search.on_trial_complete(trial_id, {"done": True})
            return asked
    search.cells.finish(asked["key"], *scores, seconds=seconds)  # type: ignore[attr-defined]
    search.on_trial_complete(trial_id, {"done": True, "status": "finished"})
    return asked


def states(search: StudySearch) -> list[TrialState]:
    return [trial.state for trial in search.study.get_trials(deepcopy=False)]


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_the_same_seed_suggests_the_same_trials(algorithm: str, tmp_path: Path) -> None:
    first, again, other = (
        [run(searcher_, str(n), n / 10) for n in range(12)]
        for searcher_ in (
            searcher(tmp_path / f"{name}.db", algorithm=algorithm, seed=seed)
            for name, seed in (("a", 0), ("b", 0), ("c", 1))
        )
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_a_search_interrupted_after_any_trial_continues_as_if_it_had_not_been(algorithm: str, tmp_path: Path) -> None:
    whole = searcher(tmp_path / "whole.db", algorithm=algorithm)
    undisturbed = [run(whole, str(n), n / 10) for n in range(12)]
    store, asked = Store(), []
    for n in range(12):  # a new driver for each trial; each dies once while its trial runs
        dead = searcher(tmp_path / "cut.db", store, algorithm=algorithm)
        lost = dead.suggest("lost")
        search = searcher(tmp_path / "cut.db", store, algorithm=algorithm)
        asked.append(run(search, str(n), n / 10))
        assert asked[-1] == lost
    assert asked == undisturbed
    assert searcher(tmp_path / "cut.db", store, algorithm=algorithm).suggest("more") == Searcher.FINISHED


def test_values_are_within_their_space_and_conditions_hold(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", algorithm="random")
    for n in range(12):
        values = run(search, str(n), 0.1)["values"]
        assert ("objective.local.attention" in values) == (values["objective.local.weight"] > 0)
        assert 1 <= values.get("objective.local.attention", 1) <= 10
        assert values["augment.image.crop"] in ([0.6, 1.0], [0.8, 1.0])
        assert 0 <= values["train.warmup"] <= 0.3
        assert values["train.patience"] in (2, 3, 4, 5)


def test_cmaes_nears_the_optimum_of_a_bowl(tmp_path: Path) -> None:
    space = {"train.warmup": {"uniform": [0.0, 0.9]}, "augment.image.affine": {"uniform": [0.0, 1.0]}}
    found: dict[str, float] = {}
    for algorithm in ("cmaes", "random"):
        search, store = searcher(tmp_path / f"{algorithm}.db", algorithm=algorithm, space=space, trials=80), None
        store = search.cells
        scores = []
        for n in range(80):
            asked = search.suggest(str(n))
            assert isinstance(asked, dict)
            x, y = asked["values"]["train.warmup"], asked["values"]["augment.image.affine"]
            scores.append(-((x - 0.3) ** 2) - (y - 0.7) ** 2)
            store.finish(asked["key"], scores[-1])  # type: ignore[attr-defined]
            search.on_trial_complete(str(n), {"done": True, "status": "finished"})
        found[algorithm] = sum(scores[40:]) / 40
    assert found["cmaes"] > found["random"] / 2  # both below 0: half as far from it, squared


def test_stopped_trials_are_pruned_and_failed_ones_fail(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", scheduler="asha", grace_period=1, reduction_factor=2)
    run(search, "0", 0.2, 0.1)
    run(search, "1", 0.1)  # stopped at once
    for number, end in (("2", {"done": True, "status": "failed"}), ("3", None)):
        search.suggest(number)
        search.on_trial_complete(number, end, error=end is None)
    assert states(search) == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL]
    assert search.study.trials[0].value == 0.2  # of the selected checkpoint, not of the last one
    assert search.study.trials[1].intermediate_values == {5: 0.1}


def test_no_trial_is_left_running_and_interrupted_ones_are_enqueued_again(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", trials=3)
    run(search, "0", 0.1)
    cut = search.suggest("1")
    search.validated("1", {"score": 0.4, "at_step": 5})
    search.close()
    assert states(search) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING]
    assert search.ended_by == ""
    resumed = searcher(tmp_path / "a.db", trials=3)
    assert resumed.count == 1
    assert resumed.suggest("0") == cut
    assert resumed.study.trials[2].intermediate_values == {5: 0.4}  # its slot continues from its checkpoint
    assert not resumed.validated("0", {"score": 0.4, "at_step": 5})
    resumed.suggest("1")
    assert resumed.suggest("2") == Searcher.FINISHED
    assert resumed.ended_by == "search.trials: all 3 were used"


def test_a_trial_that_a_full_disk_interrupts_is_enqueued_again(tmp_path: Path) -> None:
    search = searcher(tmp_path / "study.db", trials=3)
    search.suggest("a")
    search.validated("a", {"score": 0.3, "at_step": 5})
    search.on_trial_complete("a", {"done": True, "status": "interrupted", "full": "no room"})
    search.close()
    (trial, again) = search.study.get_trials(deepcopy=False)
    assert (trial.state, again.state) == (TrialState.FAIL, TrialState.WAITING)
    assert not counts(trial)


def test_repeated_validations_after_the_death_of_a_slot_are_ignored(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", scheduler="asha", grace_period=2, reduction_factor=2)
    run(search, "0", 0.5, 0.6)
    search.suggest("1")
    assert not search.validated("1", {"score": 0.1, "at_step": 5})
    assert not search.validated("1", {"score": 0.1, "at_step": 5})  # no second validation: nothing to decide
    assert search.validated("1", {"score": 0.1, "at_step": 10})


def test_a_finished_cell_answers_without_a_slot_and_counts_as_a_trial(tmp_path: Path) -> None:
    first = searcher(tmp_path / "a.db", algorithm="random")
    asked = [run(first, str(n), n / 10, 0.05) for n in range(12)]
    second = searcher(tmp_path / "b.db", first.cells, algorithm="random", trials=13)  # type: ignore[arg-type]
    only = second.suggest("0")
    assert only not in asked
    told = second.study.trials
    assert [trial.state for trial in told] == [TrialState.COMPLETE] * 12 + [TrialState.RUNNING]
    assert [trial.value for trial in told[:12]] == [max(n / 10, 0.05) for n in range(12)]
    assert told[3].intermediate_values == {5: 0.3, 10: 0.05}


def test_a_search_of_a_small_space_ends_when_all_points_were_tried(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", space=SMALL, trials=500)
    ran = 0
    while (asked := run(search, str(ran), 0.5)) != Searcher.FINISHED:
        assert isinstance(asked, dict)
        ran += 1
    assert ran == 4 == len(set(search.cells.asked))  # type: ignore[attr-defined]
    assert search.ended_by.startswith("search.space: all its 4 configurations were tried, in ")
    assert search.count < 30
    assert set(states(search)) == {TrialState.COMPLETE}


def test_a_repeated_suggestion_waits_for_the_trial_that_runs(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", space={"train.patience": {"int": [2, 3]}}, algorithm="random", trials=6)
    keys = [asked["key"] for n in range(2) if isinstance(asked := search.suggest(str(n)), dict)]
    assert len(set(keys)) == 2
    assert search.suggest("more") == Searcher.FINISHED
    for number, key in enumerate(keys):
        search.cells.finish(key, 0.1 + number)  # type: ignore[attr-defined]
        search.on_trial_complete(str(number), {"done": True, "status": "finished"})
    assert set(states(search)) == {TrialState.COMPLETE}
    for trial in search.study.trials:
        assert trial.value == 0.1 + keys.index(trial.user_attrs["cell"])


def test_values_that_exclude_one_another_fail_only_their_trial(tmp_path: Path) -> None:
    from radsweep.errors import InputError

    class Picky(Store):
        def find(self, values: dict[str, Any], pairs: int | None) -> str:
            if values["train.patience"] == 2:
                raise InputError("not with a patience of 2")
            return super().find(values, pairs)

    search = searcher(tmp_path / "a.db", Picky(), space=SMALL, algorithm="random", trials=20)
    while run(search, "0", 0.5) != Searcher.FINISHED:
        pass
    failed = [trial for trial in search.study.trials if trial.state == TrialState.FAIL]
    assert failed
    assert {trial.params["train.patience"] for trial in failed} == {2}
    assert failed[0].user_attrs["error"] == "not with a patience of 2"


SIZES = (10, 30, 90)


def halving(file: Path, store: Store, trials: int | None, **more: Any) -> StudySearch:
    settings = {"scheduler": "asha", "fidelity": "pairs", "min_pairs": 10, "reduction_factor": 3, "algorithm": "random"}
    return searcher(file, store, SIZES, trials=trials, **settings | more)


def score(values: dict[str, Any], pairs: int | None) -> float:
    return values["train.warmup"] + (pairs or 90) / 1000  # one order at every size


def test_the_best_are_promoted_to_more_pairs(tmp_path: Path) -> None:
    store = Store()
    search = halving(tmp_path / "a.db", store, 9)
    sizes = []
    while isinstance(asked := search.suggest("0"), dict):
        sizes.append(asked["pairs"])
        store.finish(asked["key"], score(asked["values"], asked["pairs"]))
        search.on_trial_complete("0", {"done": True, "status": "finished"})
    search.close()
    assert sizes == [10] * 9 + [30] * 3 + [None]  # the top rung is the base trial's own size
    told = {trial.params["train.warmup"]: trial for trial in search.study.trials}
    ranked = [told[warmup] for warmup in sorted(told, reverse=True)]
    assert [trial.state for trial in ranked] == [TrialState.COMPLETE] + [TrialState.PRUNED] * 8
    assert [max(trial.intermediate_values) for trial in ranked] == [90] + [30] * 2 + [10] * 6
    assert ranked[0].value == pytest.approx(ranked[0].params["train.warmup"] + 0.09)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("kill_after", range(1, 17))
def test_rungs_of_a_dead_driver_are_continued(kill_after: int, alike: bool, tmp_path: Path) -> None:
    store, ran = Store(), 0
    search = halving(tmp_path / "a.db", store, 12)  # a whole bracket, and one of three
    while isinstance(asked := search.suggest(str(ran)), dict):
        ran += 1
        if ran == kill_after:
            search = halving(tmp_path / "a.db", store, 12)
            continue
        store.finish(asked["key"], 0.5 if alike else score(asked["values"], asked["pairs"]))
        search.on_trial_complete(str(ran - 1), {"done": True, "status": "finished"})
    search.close()
    counted = [trial for trial in search.study.trials if "interrupted" not in trial.user_attrs]
    assert len(counted) == 12
    assert [trial.state for trial in counted].count(TrialState.COMPLETE) == 2
    assert {trial.state for trial in counted} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert len(store.records) == 12 + 3 + 1 + 1 + 1  # none twice, none more
    assert set(store.asked) == set(store.records)  # and none is left unfinished


def test_score_and_cost_are_two_objectives(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", algorithm="nsga2", cost="seconds", trials=8)
    for n in range(8):
        run(search, str(n), 0.1 * n, seconds=float(abs(n - 3)))
    assert search.study.directions == [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    assert sorted(trial.number for trial in search.study.best_trials) == [3, 4, 5, 6, 7]
    assert search.study.trials[5].values == [0.5, 2.0]


def test_the_budget_spent_before_counts(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", slot_hours=1.0, trials=None)
    now = [0.0]
    search.budget.clock, search.budget.began = lambda: now[0], 0.0
    search.suggest("0")
    now[0] = 3000.0
    search.on_trial_complete("0", {"done": True, "status": "failed"})
    resumed = searcher(tmp_path / "a.db", slot_hours=1.0, trials=None)
    resumed.budget.clock, resumed.budget.began = lambda: now[0], now[0]
    assert isinstance(resumed.suggest("0"), dict)
    now[0] = 3700.0
    assert resumed.suggest("1") == Searcher.FINISHED  # the running one is completed
    assert resumed.ended_by == "search.slot_hours: 1 were spent in 2 trials"


def spend(search: StudySearch) -> None:
    search.budget.held = 3600.0
    search._keep_spent()


def test_a_trial_interrupted_after_the_budget_was_spent_continues_to_its_end(tmp_path: Path) -> None:
    search = searcher(tmp_path / "a.db", slot_hours=1.0, trials=None)
    cut = search.suggest("0")
    spend(search)
    assert search.suggest("1") == Searcher.FINISHED
    search.close()
    resumed = searcher(tmp_path / "a.db", search.cells, slot_hours=1.0, trials=None)  # type: ignore[arg-type]
    assert resumed.has_more()
    assert run(resumed, "0", 0.4) == cut
    assert resumed.suggest("1") == Searcher.FINISHED
    resumed.close()
    assert states(resumed) == [TrialState.FAIL, TrialState.COMPLETE]
    assert resumed.ended_by == "search.slot_hours: 1 were spent in 1 trial"


def test_a_rung_that_had_begun_continues_after_the_budget_is_spent_and_no_other_begins(tmp_path: Path) -> None:
    store = Store()
    search = halving(tmp_path / "a.db", store, None, slot_hours=1.0)
    for n in range(9):
        asked = search.suggest(str(n))
        assert isinstance(asked, dict)
        store.finish(asked["key"], score(asked["values"], asked["pairs"]))
        search.on_trial_complete(str(n), {"done": True, "status": "finished"})
    cut = search.suggest("cut")  # of three that were promoted
    assert isinstance(cut, dict)
    assert cut["pairs"] == 30
    spend(search)
    resumed = halving(tmp_path / "a.db", store, None, slot_hours=1.0)  # its driver was killed
    assert resumed.suggest("0") == cut
    store.finish(cut["key"], score(cut["values"], 30))
    resumed.on_trial_complete("0", {"done": True, "status": "finished"})
    assert resumed.suggest("1") == Searcher.FINISHED
    resumed.close()
    assert resumed.ended_by.startswith("search.slot_hours")
    assert set(store.asked) == set(store.records)  # no cell is left unfinished
    assert not {TrialState.WAITING, TrialState.RUNNING} & set(states(resumed))
