from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from radsweep.config.load import load_experiment
from radsweep.report.analysis.results import best_result, join
from radsweep.report.text.best import best_yaml, experiment_yaml
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]


def test_the_best_configuration_runs_as_an_experiment_file(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    numbers = {"baseline": {100: [0.3], 300: [0.12]}, "local": {100: [0.1], 300: [0.19]}}
    text = best_yaml(join(*ablation(numbers, name="a name\nwith ümlauts: yes")))
    assert text is not None
    (tmp_path / "best.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(tmp_path / "best.yaml")
    assert experiment.ablation is experiment.search is None
    assert experiment.data.pairs == 300, "the largest size decides"
    assert experiment.objective.local.weight == 0.1


def test_the_test_split_never_chooses(ablation: Callable[..., Sweep], search: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12]}, "local": {300: [0.19]}})
    high = {"test/text_to_image/recall_at_10": 0.99}
    cells["baseline-300-0"] = cells["baseline-300-0"].model_copy(update={"final": high})
    best = best_result(join(sweep, cells))
    assert best is not None
    assert best.planned.arm == "local"
    sweep, cells = search([0.1, 0.3, 0.2])
    cells["t0"] = cells["t0"].model_copy(update={"final": high})
    best = best_result(join(sweep, cells))
    assert best is not None
    assert best.planned.key == "t1"


def test_a_searchs_winner_is_a_finished_trial_unless_none_finished(search: Callable[..., Sweep]) -> None:
    sweep, cells = search([0.1, 0.2, 0.1, 0.1, 0.9])  # the fifth was stopped early
    best = best_result(join(sweep, cells))
    assert best is not None
    assert best.planned.number == 1
    best = best_result(join(sweep, {"t4": cells["t4"]}))
    assert best is not None
    assert best.planned.number == 4


def test_where_a_sweep_ran_is_in_neither_file(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12]}})
    private = sweep.experiment | {"run": {"tracking_uri": "http://user:secret@host"}}
    results = join(sweep.model_copy(update={"experiment": private}), cells)
    assert "secret" not in f"{best_yaml(results)}{experiment_yaml(results)}"
    assert "ablation" in yaml.safe_load(experiment_yaml(results))


def test_nothing_measured_has_no_best(ablation: Callable[..., Sweep]) -> None:
    sweep, _ = ablation({"baseline": {300: [0.12]}})
    assert best_yaml(join(sweep, {})) is None
