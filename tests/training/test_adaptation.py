"""Adaptation stages: what they learn from, that they learn, and that they resume."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from radsweep.config.stages import stages_of
from radsweep.data.loading.prepared import PreparedSplit
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.training import loop
from radsweep.training.adaptation import LOSS, adapt, load_adapted, recipe_of
from radsweep.training.adaptation_data import ImagePool, ReportPool, pool_parts
from radsweep.training.context import RunContext
from radsweep.training.frozen_features import load_frozen, run_frozen
from radsweep.training.outcome import Outcome
from radsweep.training.precision import Precision
from radsweep.training.task import STOP
from radsweep.training.trainer import TrialRecipe, train
from support.adapted import LIT, SMALL, stages, with_pool
from support.synthetic import synthetic_data, synthetic_trial

MAE = {
    "adapt.image.method": "mae",
    "adapt.image.learning_rate": 2e-3,
    "adapt.image.decoder_width": 32,
    "adapt.image.decoder_layers": 1,
    "model.image.backbone": "tiny-vit",
    "model.image.size": 32,
    "augment.ssl.crop": [1.0, 1.0],
}


def run(name: str, folder: Path, **values: object) -> Outcome:
    stage = stages(**values)[name]
    size = stage.tower.size if stage.kind == "image" else 16
    return adapt(stage, with_pool(size=size), folder=folder)  # type: ignore[arg-type]


def test_a_stage_learns_from_the_training_split_and_its_pool_and_from_no_other_patient() -> None:
    data = with_pool()
    parts = pool_parts("image", None, data)
    patients = {split.index.patient_ids[row] for split, rows in parts for row in rows}
    held_out = {p for name in ("validation", "test") for p in data.splits[name].index.patient_ids}  # type: ignore[index]
    assert not patients & held_out
    assert len(ImagePool(parts)) == data.splits["train"].index.images + data.unpaired["images"].index.images
    assert len(ReportPool(pool_parts("text", None, data))) == 2 * len(data.splits["train"].index)


def test_a_stage_on_the_subset_only_sees_the_trials_own_pairs() -> None:
    trial = synthetic_trial(**(SMALL | {"adapt.image.data": "subset", "data.pairs": 10}))
    data = with_pool()
    ((split, rows),) = pool_parts("image", stages_of(trial)["image"].subset, data)
    assert split is data.splits["train"]
    assert rows.tolist() == TrialRecipe(trial, data, RunContext()).source.rows.tolist()


def test_every_image_of_the_pool_has_a_key_and_pixels_of_its_own() -> None:
    data = with_pool()
    pool = ImagePool(pool_parts("image", None, data))
    assert len(set(pool.keys_N.tolist())) == len(pool)
    numbers = np.random.default_rng(0).permutation(len(pool))[:9]
    for number, pixels in zip(numbers, pool.pixels(numbers), strict=True):
        split = data.splits["train"] if pool.place_N[number] == 0 else data.unpaired["images"]
        assert (pixels == split.pixels(pool.row_N[number : number + 1])[0]).all()


@pytest.mark.parametrize(
    ("name", "values"), [("image", {}), ("text", {}), ("image", MAE)], ids=["simclr", "mlm", "mae"]
)
def test_the_held_out_loss_falls(name: str, values: dict[str, object], tmp_path: Path) -> None:
    slow = values | {f"adapt.{name}.steps": 60}
    data = with_pool(size=32 if values else 16)
    start = recipe_of(stages(**slow)[name], data, RunContext()).measure()[LOSS]  # type: ignore[arg-type]
    outcome = run(name, tmp_path, **slow)
    assert outcome.best[LOSS] < 0.9 * start


def test_mlm_starts_from_the_checkpoints_head_in_a_stage_and_as_a_term(tmp_path: Path) -> None:
    """Row 14: the loss at step 0 is the library's own, of the same masked tokens."""
    data = with_pool()
    loaded = load_tokenizer(data.tokenizer)
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_object=loaded.backend, unk_token="[UNK]", **names).save_pretrained(tmp_path)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    reference = BertForMaskedLM(BertConfig(vocab_size=loaded.vocabulary, max_position_embeddings=128, **small))
    for seed, parameter in enumerate(reference.cls.parameters()):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    reference.save_pretrained(tmp_path)
    data = dataclasses.replace(data, tokenizer=str(tmp_path))
    tower = {"model.text.backbone": str(tmp_path), "model.text.weights": "pretrained"}
    stage = recipe_of(stages(**tower)["text"], data, RunContext())  # type: ignore[arg-type]
    trial = synthetic_trial(**(tower | {"objective.text_ssl.weight": 1.0}))
    term = TrialRecipe(trial, data, RunContext())
    for recipe in (stage, term):
        recipe.learner.eval()
        batch = next(recipe.batches(0))
        assert batch.masked is not None
        ids, mask, target = batch.masked
        output = reference.eval()(
            input_ids=ids, attention_mask=mask.long(), labels=target.masked_fill(target < 0, -100)
        )
        loss, logged = recipe.backward(batch, Precision())
        assert logged.get("loss/text_ssl", loss) == pytest.approx(float(output.loss.detach()), rel=1e-5)


def test_mae_keeps_the_weights_of_the_lowest_held_out_loss_and_leaves_pixels_as_they_are() -> None:
    stage = stages(**MAE)["image"]
    recipe = recipe_of(stage, with_pool(size=32), RunContext())  # type: ignore[arg-type]
    assert recipe.score({LOSS: 0.3}) > recipe.score({LOSS: 0.4})
    augment = stage.augment  # type: ignore[union-attr]
    assert (augment.brightness, augment.contrast, augment.blur, augment.noise) == (0, 0, 0, 0)
    assert stages(**MAE, **{"augment.ssl.noise": 0.2})["image"] == stage
    assert stages(**(MAE | {"augment.ssl.crop": [0.5, 1.0]}))["image"] != stage
    assert stages(**MAE, **{"adapt.image.mask": 0.5})["image"] != stage


@pytest.mark.parametrize(
    "values",
    [{}, {"adapt.image.method": "simsiam"}, {"adapt.image.method": "moco"}, MAE],
    ids=["simclr", "simsiam", "moco", "mae"],
)
def test_a_trial_starts_from_the_adapted_towers(values: dict[str, object], tmp_path: Path) -> None:
    trial = synthetic_trial(**(SMALL | values))
    data = with_pool(size=trial.model.image.size)
    adapted = {}
    for name, stage in stages_of(trial).items():
        adapt(stage, data, folder=tmp_path / name)
        weights = load_adapted(tmp_path / name)
        assert weights is not None
        adapted[name] = weights
    recipe = TrialRecipe(trial, data, RunContext(), adapted)
    for name, tower in (("image", recipe.model.image), ("text", recipe.model.text)):
        for key, tensor in tower.state_dict().items():
            assert torch.equal(tensor, adapted[name][key]), key
    other = train(trial, data)
    assert train(trial, data, adapted=adapted).best != other.best


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("name", "values"),
    [("image", {}), ("text", {}), ("image", MAE), ("image", {"adapt.image.method": "moco"})],
    ids=["simclr", "mlm", "mae", "moco"],
)
def test_a_killed_stage_continues_and_ends_with_the_weights_of_an_undisturbed_one(
    name: str, values: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radsweep.training.adaptation.StageRecipe.every_steps", 4)
    run(name, tmp_path / "undisturbed", **values)
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    saved = loop.save

    def save_and_die(training: loop.Training, folder: Path) -> None:
        saved(training, folder)
        if training.outcome.steps >= 4:
            raise Killed

    monkeypatch.setattr(loop, "save", save_and_die)
    with pytest.raises(Killed):
        run(name, tmp_path / "killed", **values)
    assert load_adapted(tmp_path / "killed") is None
    monkeypatch.setattr(loop, "save", saved)
    run(name, tmp_path / "killed", **values)
    expected, found = load_adapted(tmp_path / "undisturbed"), load_adapted(tmp_path / "killed")
    assert expected is not None
    assert found is not None
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    assert not (tmp_path / "killed" / "resume").exists()


def test_a_stage_that_was_stopped_continues_when_it_is_requested_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radsweep.training.adaptation.StageRecipe.every_steps", 4)
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    stage = stages()["text"]
    context = RunContext(report=lambda validation: STOP)
    stopped = adapt(stage, with_pool(), context, folder=tmp_path)  # type: ignore[arg-type]
    assert (stopped.stopped, load_adapted(tmp_path)) == (True, None)
    assert (tmp_path / "resume").exists()
    outcome = adapt(stage, with_pool(), folder=tmp_path)  # type: ignore[arg-type]
    assert (outcome.stopped, outcome.steps) == (False, 12)
    assert load_adapted(tmp_path) is not None


def test_trials_that_differ_in_nothing_a_stage_sees_share_it() -> None:
    base = stages()
    assert (
        stages(**{"objective.local.weight": 1.0, "train.seed": 5, "data.pairs": 7, "train.learning_rate": 0.1}) == base
    )
    assert stages(**{"model.image.freeze": True, "model.text.lora": 0}) == base
    assert stages(**{"adapt.image.seed": 1})["image"] != base["image"]
    assert stages(**{"adapt.image.seed": 1})["text"] == base["text"]
    assert stages(**{"augment.ssl.crop": [0.5, 1.0]})["image"] != base["image"]
    own = {"adapt.image.data": "subset"}
    assert stages(**own, **{"data.seed": 1})["image"] == stages(**own)["image"]  # all studies, in whatever order
    assert stages(**own, **{"data.pairs": 7})["image"] != stages(**own, **{"data.pairs": 8})["image"]


def test_trials_stages_and_features_take_images_of_the_models_size_from_larger_cached_ones(tmp_path: Path) -> None:
    """Item 4: crops had no more detail than the whole image at the model's size."""
    data, larger = with_pool(size=40), {"augment.source_size": 40}  # the model's images have 16 pixels a side
    trial = synthetic_trial(**larger, **{"objective.image_ssl.weight": 1.0})
    recipe = TrialRecipe(trial, data, RunContext())
    batch = next(recipe.batches(0))
    assert {pixels.shape[-1] for pixels in (*batch.pixels_bCSS, *batch.ssl_pixels_bCSS)} == {16}
    assert set(recipe.measure()) >= {"val/text_to_image/recall_at_10"}
    stage = recipe_of(stages(**larger)["image"], data, RunContext())  # type: ignore[arg-type]
    assert {pixels.shape[-1] for pixels in next(stage.batches(0)).ssl_pixels_bCSS} == {16}
    assert stage.measure()[LOSS] > 0
    frozen = synthetic_trial(**(LIT | larger))
    run_frozen("image", frozen, data, folder=tmp_path, adapted={})
    features = load_frozen(tmp_path)
    assert features is not None
    small = dataclasses.replace(data, splits={name: at_side(split, 16) for name, split in data.splits.items()})
    run_frozen("image", synthetic_trial(**LIT), small, folder=tmp_path / "small", adapted={})
    expected = load_frozen(tmp_path / "small")
    assert expected is not None
    torch.testing.assert_close(features["test"], expected["test"], rtol=0, atol=0.05)  # rounded to 8 bits once more


def at_side(split: PreparedSplit, side: int) -> PreparedSplit:
    """The split's images at another side, as a user would shrink them."""
    blocks = tuple(
        {
            "image": block["image"],
            "pixels": v2.functional.resize(torch.from_numpy(block["pixels"]), [side, side], antialias=True).numpy(),
        }
        for block in split.blocks
    )
    return dataclasses.replace(split, blocks=blocks)


@pytest.mark.parametrize(("tower", "values"), [("image", LIT), ("text", {"model.text.freeze": True})])
def test_features_of_a_frozen_tower_train_as_the_tower_itself(
    tower: str, values: dict[str, object], tmp_path: Path
) -> None:
    trial, data = synthetic_trial(**(values | {"objective.views.image": 2})), synthetic_data()
    assert list(stages_of(trial)) == [f"{tower} features"]
    run_frozen(tower, trial, data, folder=tmp_path, adapted={})
    features = load_frozen(tmp_path)
    assert features is not None
    with_tower = train(trial, data, read_test=True)
    at_hand = train(trial, data, read_test=True, frozen={tower: features})
    for one, other in zip(with_tower.history, at_hand.history, strict=True):
        assert one.metrics["train/loss"] == pytest.approx(other.metrics["train/loss"], abs=1e-4)
    assert with_tower.final == pytest.approx(at_hand.final, abs=0.05)  # rounding may move a rank
    recipe = TrialRecipe(trial, data, RunContext(), frozen={tower: features})
    batch = next(recipe.batches(0))
    assert (not batch.pixels_bCSS) == (tower == "image")
    assert (not batch.texts) == (tower == "text")


@pytest.mark.parametrize(
    "values",
    [
        {"model.image.freeze": False},
        {"augment.image.affine": 0.1},
        {"objective.local.weight": 1.0},
        {"objective.image_ssl.weight": 1.0},
        {"data.source": "streamed"},
    ],
)
def test_a_tower_that_has_to_run_in_every_step_is_not_a_stage(values: dict[str, object]) -> None:
    assert "image features" in stages_of(synthetic_trial(**LIT))
    assert "image features" not in stages_of(synthetic_trial(**(LIT | values)))


def test_random_frozen_towers_of_other_seeds_have_features_of_their_own() -> None:
    def features(**values: object) -> object:
        return stages_of(synthetic_trial(**(LIT | values)))["image features"]

    assert features(**{"train.seed": 1}) != features()
    assert features(**{"train.learning_rate": 0.1, "data.pairs": 5, "objective.neighbours.weight": 1.0}) == features()
    adapted = {"adapt.image.method": "simclr"}
    assert features(**adapted, **{"train.seed": 1}) == features(**adapted)
