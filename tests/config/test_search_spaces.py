"""The ready-made experiments can run as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.config.load import load_experiment
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.design.planned_trials import plan_cells

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"
FILES = sorted(FOLDER.glob("*.yaml"))
OWN_DATA = ("paper_ablation", "paper_leave_one_out")  # for GPUs, on data of one's own and weights from a hub


def test_the_four_questions_are_there() -> None:
    assert {file.stem for file in FILES} >= {"quickstart", "loss_weights", "augmentations", "data_fractions"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_made_experiment_could_start_at_once(file: Path) -> None:
    experiment = load_experiment(file)
    assert experiment.search is not None or experiment.ablation is not None
    if file.stem in OWN_DATA:
        return
    check_experiment(experiment)
    assert experiment.data.shards.startswith("phantom:"), "a fresh machine has no other data"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_made_experiment_begins_with_its_question(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]
    assert 2 <= len(comment) <= 4
    assert "?" in comment[0]


def test_the_quickstart_compares_arms_at_two_sizes_with_three_replicates() -> None:
    cells = plan_cells(load_experiment(FOLDER / "quickstart.yaml"), lambda trial: trial.model_dump_json())
    assert len({cell.key for cell in cells}) >= 12
    assert len({cell.arm for cell in cells}) >= 2
    assert len({cell.pairs for cell in cells}) >= 2
    assert len({cell.subset_seed for cell in cells}) >= 3, "two do not show how much seeds vary"


@pytest.mark.parametrize("size", ["", "_small"])
def test_the_combination_of_both_paper_files_is_one_and_the_same_trial(size: str) -> None:
    def cells(name: str, arm: str) -> set[str]:
        experiment = load_experiment(FOLDER / f"{name}{size}.yaml")
        planned = plan_cells(experiment, lambda trial: trial.model_dump_json())
        return {cell.key for cell in planned if cell.arm == arm and cell.pairs == 300}

    assert cells("paper_ablation", "all together") == cells("paper_leave_one_out", "full")


@pytest.mark.parametrize("size", ["", "_small"])
def test_the_paper_ablation_has_an_arm_for_every_axis(size: str) -> None:
    ablation = load_experiment(FOLDER / f"paper_ablation{size}.yaml").ablation
    assert ablation is not None
    changed = {key for arm, changes in ablation.arms.items() if arm != "all together" for key in changes}
    axes = {"adapt.image.method", "adapt.text.method", "objective.contrast.kind", "objective.local.weight"}
    axes |= {"objective.image_ssl.weight", "objective.text_ssl.weight", "objective.views.image"}
    assert changed >= axes | {"objective.views.text", "augment.text.sentences", "objective.neighbours.weight"}
    together = ablation.arms["all together"]
    assert {"adapt.image.method", "adapt.text.method", "objective.neighbours.weight"} <= together.keys()


def test_the_grid_of_data_fractions_has_as_many_trials_as_it_says() -> None:
    experiment = load_experiment(FOLDER / "data_fractions.yaml")
    assert experiment.search is not None
    assert len(plan_cells(experiment, lambda trial: trial.model_dump_json())) == experiment.search.trials
