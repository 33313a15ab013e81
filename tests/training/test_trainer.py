"""A trial's numbers: reproducible, resumable, and honest about what happened."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from radsweep.filesystem import disk_full
from radsweep.store.records import Validation
from radsweep.training import checkpoint, loop, trainer
from radsweep.training.context import RunContext
from radsweep.training.loop import TrialFailed
from radsweep.training.runner import run_cell
from radsweep.training.saved_model import load_checkpoint, measured_of
from radsweep.training.task import CONTINUE, PAUSE, Task
from radsweep.training.trainer import train
from support.synthetic import synthetic_data, synthetic_trial
from support.trained import EVERYTHING, numbers, run


def test_the_same_trial_twice_gives_identical_metrics() -> None:
    first = run(synthetic_trial(), read_test=True)
    torch.manual_seed(123)  # what ran before in the process does not matter
    torch.rand(7)
    assert numbers(run(synthetic_trial(), read_test=True)) == numbers(first)
    assert numbers(run(synthetic_trial(**{"train.seed": 1}), read_test=True)) != numbers(first)


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    run(synthetic_trial(**{"train.steps": 2}))
    assert torch.equal(torch.get_rng_state(), state)


def test_training_learns() -> None:
    trial = synthetic_trial(**{"train.steps": 120, "augment.image.crop": [1.0, 1.0], "evaluate.every_steps": 20})
    outcome = run(trial)
    losses = [validation.metrics["train/loss"] for validation in outcome.history]
    assert losses[-1] < 0.75 * losses[0]
    assert outcome.best["val/text_to_image/rank_percentile"] > 0.6


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "values",
    [{}, EVERYTHING, EVERYTHING | {"objective.image_ssl.kind": "moco"}],
    ids=["plain", "neighbours, ema and all terms", "moco"],
)
@pytest.mark.parametrize("at", [4, 8])
def test_resume_gives_the_same_numbers_as_an_uninterrupted_run(
    at: int, values: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plateau = {"train.until": "plateau", "train.max_steps": 16, "train.patience": 2}
    trial = synthetic_trial(**(plateau | values))
    undisturbed = run(trial, read_test=True)
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    saved = loop.save

    def save_and_die(training: loop.Training, folder: Path) -> None:
        saved(training, folder)
        if training.outcome.steps >= at:
            raise Killed

    monkeypatch.setattr(loop, "save", save_and_die)
    with pytest.raises(Killed):
        run(trial, read_test=True, folder=tmp_path)
    monkeypatch.setattr(loop, "save", saved)
    steps: list[int] = []
    context = RunContext(report=lambda v: steps.append(v.step) or CONTINUE)
    resumed = run(trial, read_test=True, folder=tmp_path, context=context)
    assert min(steps) > at
    assert numbers(resumed) == numbers(undisturbed)
    assert not (tmp_path / "resume").exists()


@pytest.mark.parametrize("at", [2, 8])
def test_a_paused_trial_has_its_checkpoint_and_goes_on_from_there(at: int, tmp_path: Path) -> None:
    trial = synthetic_trial(**EVERYTHING)
    undisturbed = run(trial, read_test=True)
    paused_at = next(v.step for v in undisturbed.history if v.step >= at)
    told: list[int] = []

    def pausing(validation: Validation) -> int:
        told.append(validation.step)
        return PAUSE if validation.step == paused_at else CONTINUE

    with pytest.raises(loop.Paused):
        run(trial, read_test=True, folder=tmp_path, context=RunContext(report=pausing))
    assert told[-1] == paused_at
    assert not (tmp_path / "checkpoint").exists()
    after: list[int] = []
    context = RunContext(report=lambda v: after.append(v.step) or CONTINUE)
    resumed = run(trial, read_test=True, folder=tmp_path, context=context)
    assert min(after) > paused_at
    assert numbers(resumed) == numbers(undisturbed)


def test_the_weights_that_are_validated_tested_and_kept_are_the_averaged_ones(tmp_path: Path) -> None:
    trial = synthetic_trial(**{"train.ema": 0.5, "train.batch_size": 32, "train.steps": 6, "evaluate.every_steps": 6})
    recipe = trainer.TrialRecipe(trial, synthetic_data(), RunContext())
    training = loop.start(recipe)
    average = {name: tensor.clone() for name, tensor in recipe.model.state_dict().items()}
    for step in range(1, 7):
        training.outcome.epochs = step - 1
        loop.train_epoch(training)
        decay = min(0.5, (1 + step) / (10 + step))
        average = {name: decay * average[name] + (1 - decay) * now for name, now in recipe.model.state_dict().items()}
    own = recipe.model.state_dict()["image_projection.weight"].clone()
    loop.validate(training, {})
    assert torch.equal(recipe.model.state_dict()["image_projection.weight"], own)  # training goes on from its own
    for name, tensor in training.selected.items():
        torch.testing.assert_close(tensor, average[name], rtol=1e-5, atol=1e-6)


def test_a_bank_is_in_the_checkpoint_that_a_trial_resumes_from(tmp_path: Path) -> None:
    trial = synthetic_trial(**(EVERYTHING | {"train.steps": 2}))
    training = loop.start(trainer.TrialRecipe(trial, synthetic_data(), RunContext()))
    loop.train_epoch(training)
    loop.save(training, tmp_path)
    other = loop.start(trainer.TrialRecipe(trial, synthetic_data(), RunContext()))
    loop.resume(other, tmp_path)
    for name, tensor in training.recipe.learner.state_dict().items():
        assert torch.equal(other.recipe.learner.state_dict()[name], tensor), name
    assert (other.recipe.learner.state_dict()["heads.neighbours.studies"] >= 0).all()


@pytest.mark.parametrize(
    ("select", "judged"),
    [
        ("recall_at_5", "recall_at_5"),
        ("mean_reciprocal_rank", "mean_reciprocal_rank"),
        ("median_rank", "rank_percentile"),
    ],
)
def test_convergence_is_judged_by_each_querys_part_in_the_selection_metric(select: str, judged: str) -> None:
    trial = synthetic_trial(**{"evaluate.select": f"val/image_to_text/{select}"})
    recipe = trainer.TrialRecipe(trial, synthetic_data(), RunContext())
    measured = recipe.measure()
    assert recipe.value_Q is not None
    assert recipe.value_Q.shape == (24,)
    assert recipe.value_Q.mean() == pytest.approx(measured[f"val/image_to_text/{judged}"])
    assert recipe.chance == pytest.approx({"recall_at_5": 5 / 24, "rank_percentile": 0.5}.get(judged, recipe.chance))


def test_a_trial_of_a_fixed_length_is_not_known_to_have_converged() -> None:
    assert run(synthetic_trial()).convergence == "cannot tell"


def test_a_term_of_weight_zero_is_not_built() -> None:
    recipe = trainer.TrialRecipe(synthetic_trial(), synthetic_data(), RunContext())
    assert len(recipe.learner.heads) == 0
    assert recipe.model.region_projection is None
    batch = next(recipe.batches(0))
    assert (batch.ssl_pixels_bCSS, batch.masked, batch.relations) == ((), None, None)


def test_the_checkpoint_holds_the_selected_weights(tmp_path: Path) -> None:
    outcome = run(synthetic_trial(), read_test=True, folder=tmp_path)
    model, trial, _ = load_checkpoint(tmp_path / "checkpoint")
    found = measured_of(model, trial, synthetic_data(), "test", torch.device("cpu"))
    assert found.metrics == outcome.final
    assert found.chance == {name: level for name, level in outcome.chance.items() if name.startswith("test/")}


def test_a_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    run(synthetic_trial(**{"train.steps": 2}), folder=tmp_path)
    names = {file.name for file in (tmp_path / "checkpoint").iterdir()}
    assert names == {"model.safetensors", "state.json"}
    json.loads((tmp_path / "checkpoint" / "state.json").read_text())


def test_an_interrupted_write_leaves_the_old_checkpoint_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "resume"
    checkpoint.write_folder(folder, {"a.safetensors": {"x": torch.zeros(1)}}, {"step": 1})

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write_folder(folder, {"a.safetensors": {"x": torch.ones(1)}}, {"step": 2})
    found = checkpoint.read_folder(folder)
    assert found is not None
    assert found[1] == {"step": 1}


def test_a_full_disk_is_reported_with_the_folder_and_is_not_the_trials_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    trial = synthetic_trial(**{"train.steps": 2})
    task = Task("key", trial.model_dump(mode="json"), str(tmp_path), "", False, "", {}, {})
    with pytest.raises(OSError, match="No space left on device") as raised:
        run_cell(task, synthetic_data(), RunContext())
    assert disk_full(raised.value)
    assert raised.value.filename == str(tmp_path / "checkpoint")
    assert list(tmp_path.iterdir()) == []


def test_a_subset_larger_than_the_data_fails() -> None:
    with pytest.raises(TrialFailed, match=r"data\.pairs: 33 training studies"):
        run(synthetic_trial(**{"data.pairs": 33}))


def test_a_loss_that_is_not_a_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "backward", lambda *_: (math.nan, {}))
    with pytest.raises(TrialFailed, match="the loss is nan at step 0"):
        run(synthetic_trial())


def test_collapse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trainer.backward
    monkeypatch.setattr(trainer, "backward", lambda *arguments: (whole(*arguments)[0], {"similarity_spread": 1e-5}))
    assert "collapsed" in run(synthetic_trial(**{"train.steps": 2})).notes[0]


def test_a_report_that_says_no_ends_the_trial() -> None:
    outcome = run(synthetic_trial(), read_test=True, context=RunContext(report=lambda validation: validation.step < 8))
    assert outcome.stopped
    assert outcome.steps == 8
    assert outcome.final == {}  # a stopped trial never sees the test split


def test_the_test_split_stays_unread_unless_the_design_lets_it() -> None:
    assert run(synthetic_trial(**{"train.steps": 1})).final == {}


def test_accumulation_with_batch_norm_is_refused() -> None:
    trial = synthetic_trial(**{"model.image.backbone": "resnet18", "model.image.size": 32, "train.accumulate": 2})
    with pytest.raises(TrialFailed, match=r"train\.accumulate: the image tower or the head of a self-supervised term"):
        train(trial, synthetic_data(size=32))


def test_validations_come_at_epoch_ends_and_after_the_last_step() -> None:
    reported: list[Validation] = []
    trial = synthetic_trial(**{"train.batch_size": 16, "train.steps": 7, "evaluate.every_steps": 3})
    run(trial, context=RunContext(report=lambda validation: reported.append(validation) or CONTINUE))
    assert [validation.step for validation in reported] == [4, 7]
