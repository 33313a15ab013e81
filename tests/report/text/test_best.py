from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from radsweep.config.load import load_experiment
from radsweep.report.analysis.results import Results, join
from radsweep.report.text.best import best_yaml, candidate_yaml, experiment_yaml, how_chosen, selection, why_candidate
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import Reason, Selection

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
BASE = [0.12, 0.14, 0.13]
CLEAR = [0.18, 0.20, 0.19]
LEADS = [0.13, 0.145, 0.1325]  # a better mean than BASE, within its noise


@pytest.fixture
def shown(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> Callable[..., Results]:
    """shown(numbers): an ablation with the results of its queries, without which nothing is claimed."""

    def make(numbers: Any, **others: Any) -> Results:
        sweep, cells, queries = with_queries(*ablation(numbers, **others))
        return join(sweep, cells, queries.get)

    return make


def place(cell: PlannedCell | None) -> tuple[str, int | None, str]:
    assert cell is not None
    return cell.arm, cell.pairs, cell.key


def test_the_best_configuration_runs_as_an_experiment_file(shown: Callable[..., Results], tmp_path: Path) -> None:
    numbers = {"baseline": {100: [0.3], 300: BASE}, "local": {100: [0.1], 300: CLEAR}}
    results = shown(numbers, name="a name\nwith ümlauts: yes")
    text = best_yaml(results, selection(results))
    (tmp_path / "best.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(tmp_path / "best.yaml")
    assert experiment.ablation is experiment.search is None
    assert experiment.data.pairs == 300, "the largest size decides"
    assert experiment.objective.local.weight == 0.1


def test_the_test_split_is_never_used_for_selection(
    ablation: Callable[..., Sweep], search: Callable[..., Sweep]
) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12]}, "local": {300: [0.19]}})
    high = {"test/text_to_image/recall_at_10": 0.99}
    cells["baseline-300-0"] = cells["baseline-300-0"].model_copy(update={"final": high})
    leader = join(sweep, cells).leader
    assert leader is not None
    assert leader.planned.arm == "local"
    sweep, cells = search([0.1, 0.3, 0.2])
    cells["t0"] = cells["t0"].model_copy(update={"final": high})
    assert place(selection(join(sweep, cells)).recommended) == ("", None, "t1")


def test_a_search_recommends_a_finished_trial_and_only_names_a_stopped_one(search: Callable[..., Sweep]) -> None:
    sweep, cells = search([0.1, 0.2, 0.1, 0.1, 0.9])  # the fifth was stopped early
    results = join(sweep, cells)
    chosen = selection(results)
    assert place(chosen.recommended) == ("", None, "t1")
    assert chosen.candidate is None
    assert how_chosen(results, chosen).startswith("Trial 1, the best (20.0 %) that finished of 5 trials, by validation")
    results = join(sweep, {"t4": cells["t4"]})
    chosen = selection(results)
    assert chosen.recommended is None
    assert place(chosen.candidate) == ("", None, "t4")
    assert (best_yaml(results, chosen), how_chosen(results, chosen)) == ("", "")
    assert why_candidate(results, chosen).endswith("it was stopped early, and no trial has finished.")
    assert yaml.safe_load(candidate_yaml(results, chosen))["experiment"] == "made-up-search-candidate"


def test_an_arm_that_is_shown_to_be_better_is_recommended(shown: Callable[..., Results]) -> None:
    results = shown({"baseline": {300: BASE}, "local": {300: CLEAR}})
    chosen = selection(results)
    assert chosen.reason == Reason.SHOWN_BETTER
    assert place(chosen.recommended) == ("local", 300, "local-300-0")
    assert chosen.candidate is None
    assert how_chosen(results, chosen) == (
        "Arm local, the best mean (19.4 % ± 1.0) of 2 arms at 300 pairs, by validation recall@10, report to image, and "
        "shown to be better than baseline; the test split decides only the latter."
    )


def test_the_baseline_is_kept_and_the_arm_that_leads_is_the_candidate(
    ablation: Callable[..., Sweep], tmp_path: Path
) -> None:
    results = join(*ablation({"baseline": {300: BASE}, "local": {300: LEADS}}))
    chosen = selection(results)
    assert chosen.reason == Reason.BASELINE_KEPT
    assert place(chosen.recommended) == ("baseline", 300, "baseline-300-0")
    assert place(chosen.candidate) == ("local", 300, "local-300-0")
    assert how_chosen(results, chosen).startswith("Arm baseline, kept at 300 pairs: local has the best mean (13.9 % ")
    about = why_candidate(results, chosen)
    assert about.startswith("Arm local, the best mean (13.9 % ± 0.8) of 2 arms at 300 pairs, by validation recall@10")
    assert about.endswith(", but not shown to be better than baseline.")
    texts = {"best.yaml": best_yaml(results, chosen), "candidate.yaml": candidate_yaml(results, chosen)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    best, candidate = (load_experiment(tmp_path / name) for name in texts)
    assert (best.objective.local.weight, candidate.objective.local.weight) == (0.0, 0.1)
    assert (best.experiment, candidate.experiment) == ("made-up-best", "made-up-candidate")
    assert texts["candidate.yaml"].startswith(f"# A candidate, not recommended. {about}\n")


@pytest.mark.parametrize("unconverged", [[("local", 300, 1)], [("baseline", 300, 0)]])
def test_an_arm_that_had_not_converged_is_a_candidate(
    ablation: Callable[..., Sweep], unconverged: list[tuple[str, int, int]]
) -> None:
    sweep = ablation({"baseline": {300: BASE}, "local": {300: CLEAR}}, unconverged=unconverged)
    chosen = selection(join(*sweep))
    assert (place(chosen.recommended)[0], place(chosen.candidate)[0]) == ("baseline", "local")


def test_of_several_arms_the_best_that_is_shown_to_be_better_is_recommended(shown: Callable[..., Results]) -> None:
    unsteady = [0.10, 0.50, 0.30]
    results = shown({"baseline": {300: BASE}, "local": {300: CLEAR}, "unsteady": {300: unsteady}})
    chosen = selection(results)
    assert [cell.arm for cell in chosen.contenders] == ["unsteady", "local", "baseline"]
    assert (place(chosen.recommended)[0], place(chosen.candidate)[0]) == ("local", "unsteady")
    assert how_chosen(results, chosen).startswith(
        "Arm local, the best mean (19.4 % ± 1.0) at 300 pairs of the arms that are shown to be better than baseline: "
        "unsteady has the best mean (30.6 % ± 20.4) of 3 arms at 300 pairs"
    )


def test_an_arm_that_is_worse_on_the_test_split_is_not_a_candidate(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: CLEAR}, "local": {300: BASE}}))
    for key, cell in cells.items():
        if key.startswith("local"):
            cells[key] = cell.model_copy(update={"best": {name: 2 * value for name, value in cell.best.items()}})
    chosen = selection(join(sweep, cells, queries.get))
    assert (chosen.reason, chosen.candidate) == (Reason.BASELINE_KEPT, None)
    assert [cell.arm for cell in chosen.contenders] == ["local", "baseline"]


def test_folds_of_the_recommended_arm_are_one_cell(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: CLEAR}})
    planned = tuple(
        cell.model_copy(update={"fold": cell.subset_seed, "subset_seed": 0, "init_seed": 0}) for cell in sweep.cells
    )
    chosen = selection(join(sweep.model_copy(update={"cells": planned}), cells))
    assert place(chosen.recommended)[2] == "baseline-300-0|baseline-300-1|baseline-300-2"
    assert place(chosen.candidate)[2].startswith("local-300-0|"), "one replicate shows nothing"


def test_neither_file_contains_the_place_that_a_sweep_ran_in(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12]}})
    private = sweep.experiment | {"run": {"tracking_uri": "http://user:secret@host"}}
    results = join(sweep.model_copy(update={"experiment": private}), cells)
    assert "secret" not in f"{best_yaml(results, selection(results))}{experiment_yaml(results)}"
    assert "ablation" in yaml.safe_load(experiment_yaml(results))


def test_nothing_measured_has_no_best(ablation: Callable[..., Sweep]) -> None:
    sweep, _ = ablation({"baseline": {300: [0.12]}})
    results = join(sweep, {})
    assert selection(results) == Selection(Reason.NOTHING_FINISHED)
    assert best_yaml(results, selection(results)) == candidate_yaml(results, selection(results)) == ""
