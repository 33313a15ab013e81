"""Merge several sweeps into one: equal arms, their names, and sweeps that cannot be compared."""

from __future__ import annotations

from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.errors import InputError
from radsweep.store.merge import merge
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.sweep.design.planned_trials import plan_cells

SELECT = "val/text_to_image/recall_at_10"


def sweep(
    name: str, arms: dict[str, dict[str, Any]] | None, seeds: int = 2, folds: int | None = None, **parts: Any
) -> SweepRecord:
    """A sweep as `run_sweep` plans it; keys are the settings of the trial and the code."""
    record = {key: parts.pop(key) for key in list(parts) if key in SweepRecord.model_fields}
    tree: dict[str, Any] = {"experiment": name, "data": {"shards": "phantom:easy", "folds": folds}, **parts}
    if arms is not None:
        tree["ablation"] = {"arms": arms, "pairs": [100, 300], "seeds": seeds}
    experiment = parse_experiment(tree, "test")
    code = record.get("code", "c0de")
    unchanged = [arm for arm, changes in (arms or {}).items() if not changes]
    settings: dict[str, Any] = {
        "id": f"{name}-1",
        "name": name,
        "kind": "train" if arms is None else "ablation",
        "experiment": experiment.model_dump(mode="json", exclude_none=True),
        "select": experiment.evaluate.select,
        "cells": tuple(plan_cells(experiment, lambda trial: f"{hash(trial.model_dump_json()):x}{code}")),
        "baseline": (unchanged or [""])[0],
        "data": {"name": "easy", "fingerprint": "d" * 64},
        "status": "finished",
        "code": code,
        "created": "2026-11-24",
    }
    return SweepRecord(**(settings | record))


def places(merged: SweepRecord) -> dict[str, set[tuple[int | None, int]]]:
    found: dict[str, set[tuple[int | None, int]]] = {}
    for cell in merged.cells:
        found.setdefault(cell.arm, set()).add((cell.pairs, cell.subset_seed))
    return found


EVERY = {(pairs, seed) for pairs in (100, 300) for seed in (0, 1)}
LOCAL, CROP = {"objective.local.weight": 1.0}, {"augment.image.crop": [0.8, 1.0]}


def test_a_baseline_that_both_ran_counts_once_beside_the_arms_of_both() -> None:
    merged = merge([sweep("local", {"baseline": {}, "local": LOCAL}), sweep("crop", {"plain": {}, "crop": CROP})])
    assert places(merged) == {"baseline": EVERY, "local": EVERY, "crop": EVERY}
    assert merged.baseline == "baseline"
    assert len({cell.key for cell in merged.cells}) == len(merged.cells) == 12
    assert [cell.number for cell in merged.cells] == list(range(12))
    assert (merged.name, merged.id, merged.kind) == ("local and crop", "local-1+crop-1", "ablation")
    assert merged.plan is not None
    assert merged.ablation is not None
    assert merged.ablation.arms == {"baseline": {}, "local": LOCAL, "crop": CROP}


def test_more_replicates_of_an_arm_are_added_to_it() -> None:
    arms = {"baseline": {}, "local": LOCAL}
    merged = merge([sweep("a", arms), sweep("b", arms, seeds=4)])
    every = {(pairs, seed) for pairs in (100, 300) for seed in range(4)}
    assert places(merged) == {"baseline": every, "local": every}
    assert len(merged.cells) == 16


def test_two_arms_of_one_sweep_are_not_merged_even_if_they_are_equal() -> None:
    arms: dict[str, dict[str, Any]] = {"baseline": {}, "null": {}}
    assert places(merge([sweep("a", arms), sweep("b", arms)])) == {"baseline": EVERY, "null": EVERY}
    merged = merge([sweep("a", {"baseline": {}, "local": LOCAL}), sweep("b", arms)])
    assert places(merged) == {"baseline": EVERY, "local": EVERY, "null": EVERY}


def test_different_arms_with_the_same_name_are_renamed() -> None:
    stronger = {"objective.local.weight": 2.0}
    merged = merge([sweep("a", {"baseline": {}, "local": LOCAL}), sweep("b", {"baseline": {}, "local": stronger})])
    assert set(places(merged)) == {"baseline", "a: local", "b: local"}
    assert {cell.arm: cell.changes for cell in merged.cells}["b: local"] == stronger


def test_sweeps_with_the_same_name_are_called_by_their_ids() -> None:
    merged = merge([sweep("a", {"b": {}}), sweep("a", {"b": {}}, id="a-2", code="0ther")])
    assert set(places(merged)) == {"a-1: b", "a-2: b"}
    assert merged.baseline == "a-1: b"


def test_cells_of_another_code_are_not_merged_even_if_they_fill_other_positions() -> None:
    other = sweep("b", {"baseline": {}}, code="0ther")
    elsewhere = other.model_copy(update={"cells": tuple(cell for cell in other.cells if cell.pairs == 300)})
    first = sweep("a", {"baseline": {}})
    first = first.model_copy(update={"cells": tuple(cell for cell in first.cells if cell.pairs == 100)})
    assert set(places(merge([first, elsewhere]))) == {"a: baseline", "b: baseline"}
    assert merge([first, elsewhere]).code == "c0de, 0ther"


def test_a_base_trial_that_differs_is_part_of_the_changes_of_the_arm_and_is_reported() -> None:
    larger = sweep("b", {"baseline": {}, "local": LOCAL}, train={"batch_size": 32})
    merged = merge([sweep("a", {"baseline": {}, "local": LOCAL}), larger])
    changes = {cell.arm: cell.changes for cell in merged.cells}
    assert changes["b: baseline"] == {"train.batch_size": 32}
    assert changes["b: local"] == {"train.batch_size": 32} | LOCAL
    assert any("base trials of a and b differ in train.batch_size," in note for note in merged.notes)


def test_a_single_trial_is_an_arm_with_its_experiments_name() -> None:
    alone = sweep("single", None, train={"batch_size": 32})
    merged = merge([sweep("a", {"baseline": {}}), alone])
    assert set(places(merged)) == {"baseline", "single"}
    assert merge([alone, sweep("a", {"baseline": {}})]).baseline == "single"


def test_folds_of_a_cross_validation_are_different_positions() -> None:
    arms = {"baseline": {}, "local": LOCAL}
    merged = merge([sweep(name, arms, seeds=1, folds=3) for name in ("a", "b")])
    folds = {(cell.arm, cell.pairs, cell.fold) for cell in merged.cells}
    assert folds == {(arm, pairs, fold) for arm in arms for pairs in (100, 300) for fold in range(3)}
    assert len(merged.cells) == 12


def test_public_models_of_all_sweeps_are_kept() -> None:
    models = [PlannedCell(key=key, arm=key, reference=True) for key in ("clip", "biovil")]
    first = sweep("a", {"baseline": {}}, references=tuple(models))
    second = sweep("b", {"baseline": {}}, references=tuple(models[:1]))
    assert merge([second, first]).references == tuple(models)


def test_costs_add_up_and_a_running_sweep_makes_the_merged_one_running() -> None:
    first = sweep("a", {"b": {}}, cost={"wall_seconds": 10.0, "slots": 4.0}, ended="2026-11-25", created="2026-11-25")
    second = sweep("c", {"d": LOCAL}, cost={"wall_seconds": 5.0, "slots": 2.0}, ended="2026-11-26", status="failed")
    merged = merge([first, second])
    assert merged.cost == {"wall_seconds": 15.0, "slots": 4.0}
    assert (merged.created, merged.ended, merged.status) == ("2026-11-24", "2026-11-26", "failed")
    running = merge([first, second, sweep("e", {"f": CROP}, status="running", notes=("slow",))])
    assert (running.status, running.ended) == ("running", "")
    assert "e: slow" in running.notes


def test_sweeps_that_cannot_be_compared_are_refused_by_name() -> None:
    first = sweep("a", {"baseline": {}})
    other = sweep("b", {"baseline": {}}, data={"name": "hard", "fingerprint": "e" * 64})
    with pytest.raises(InputError, match=r"a-1 and b-1 ran on different data sets \(easy, .*ddd and hard, .*eee\)"):
        merge([first, other])
    with pytest.raises(InputError, match=r"evaluate.select is val/text_to_image/recall_at_10 and val/.*/recall_at_1\)"):
        merge([first, sweep("b", {"x": {}}, evaluate={"select": "val/text_to_image/recall_at_1"})])
    with pytest.raises(InputError, match=r"a-1 and b-1 were tested on different studies \(no folds and 3 folds\)"):
        merge([first, sweep("b", {"x": {}}, folds=3)])
    with pytest.raises(InputError, match="b-1 is a search, which has no arms"):
        merge([first, sweep("b", {"x": {}}, kind="search")])
    with pytest.raises(InputError, match="a-1 is given 2 times"):
        merge([first, first])
