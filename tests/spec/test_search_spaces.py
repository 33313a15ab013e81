"""The ready-made experiments can run as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.spec.load import load_experiment
from radsweep.sweep.plan import plan
from radsweep.sweep.preflight import check_experiment

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_the_four_questions_are_there() -> None:
    assert {file.stem for file in FILES} >= {"quickstart", "loss_weights", "augmentations", "data_fractions"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_made_experiment_could_start_at_once(file: Path) -> None:
    experiment = load_experiment(file)
    check_experiment(experiment, str(file))
    assert experiment.search is not None or experiment.ablation is not None
    assert experiment.data.shards.startswith("phantom:"), "a fresh machine has no other data"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_made_experiment_begins_with_its_question(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]
    assert 2 <= len(comment) <= 4
    assert "?" in comment[0]


def test_the_quickstart_compares_arms_at_two_sizes_with_two_replicates() -> None:
    cells = plan(load_experiment(FOLDER / "quickstart.yaml"), lambda trial: trial.model_dump_json())
    assert len({cell.key for cell in cells}) >= 12
    assert len({cell.arm for cell in cells}) >= 2
    assert len({cell.pairs for cell in cells}) >= 2
    assert len({cell.subset_seed for cell in cells}) >= 2


def test_the_grid_of_data_fractions_has_as_many_trials_as_it_says() -> None:
    experiment = load_experiment(FOLDER / "data_fractions.yaml")
    assert experiment.search is not None
    assert len(plan(experiment, lambda trial: trial.model_dump_json())) == experiment.search.trials
