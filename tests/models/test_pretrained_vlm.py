"""Whole vision-language models of the transformers library as a start: CLIP and SigLIP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.model import Model
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.models.backbone_checks import check_model
from radsweep.models.vlm import VisionLanguageModel, build_model

Save = Callable[[str], Path]
IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
MEAN, STD = torch.tensor([0.4, 0.5, 0.6]).view(-1, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(-1, 1, 1)
BOS, EOS, PAD = 2, 3, 4
MASK = torch.arange(9) < torch.tensor([[9], [6], [3]])
WIDTHS = {"clip": 24, "siglip": 32}


def token_ids() -> Tensor:
    ids = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = BOS
    ids[torch.arange(3), MASK.sum(dim=1) - 1] = EOS
    return ids.masked_fill(~MASK, PAD)


IDS = token_ids()


def settings_of(folder: Path, dim: int, **changes: Any) -> Model:
    image = {"size": 32, "channels": 3} | changes.pop("image", {})
    text = {"max_tokens": 32} | changes.pop("text", {})
    return Model.model_validate({"pretrained": str(folder), "dim": dim, "image": image, "text": text, **changes})


def built_from(folder: Path, dim: int, trial: dict[str, Any] | None = None, **changes: Any) -> VisionLanguageModel:
    settings = settings_of(folder, dim, **changes)
    check_model(settings)
    return build_model(trial_with(Trial(data=Data(shards="phantom:any"), model=settings), trial or {}), 60).eval()


@pytest.mark.parametrize(
    "change",
    [{"model.image.weights": "scratch"}, {"model.image.backbone": "tiny-cnn"}, {"model.text.weights": "scratch"}],
)
def test_an_arm_that_from_would_overrule_is_refused(change: dict[str, str]) -> None:
    base = Trial(data=Data(shards="phantom:any"), model=Model.model_validate({"pretrained": "some/clip"}))
    with pytest.raises(InputError, match=r"`pretrained` and .* both set"):
        trial_with(base, change)
    assert trial_with(base, {"model.pretrained": "other/clip"}).model.image.backbone == "other/clip"


def reference_of(folder: Path) -> Any:
    return transformers.AutoModel.from_pretrained(folder).eval()


def inputs_of(kind: str) -> dict[str, Tensor]:
    """What the processor of each library model gives."""
    pixels = (IMAGES - MEAN) / STD
    if kind == "clip":
        return {"pixel_values": pixels, "input_ids": IDS, "attention_mask": MASK.long()}
    return {"pixel_values": pixels, "input_ids": functional.pad(IDS, (0, 23), value=PAD)}


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_embeddings_are_those_of_the_library(kind: str, save: Save) -> None:
    built, reference, inputs = built_from(save(kind), WIDTHS[kind]), reference_of(save(kind)), inputs_of(kind)
    image = reference.get_image_features(pixel_values=inputs.pop("pixel_values")).pooler_output
    text = reference.get_text_features(**inputs).pooler_output
    own_image, own_text = built.embed_images(IMAGES).image_BD, built.embed_texts(IDS, MASK).text_BD
    torch.testing.assert_close(own_image, functional.normalize(image, dim=-1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own_text, functional.normalize(text, dim=-1), rtol=1e-5, atol=1e-5)
    assert image.shape == (3, WIDTHS[kind])


@pytest.mark.parametrize(("kind", "loss"), [("clip", "infonce"), ("siglip", "sigmoid")])
def test_logits_are_those_of_the_library(kind: str, loss: str, save: Save) -> None:
    built = built_from(save(kind), WIDTHS[kind], {"objective.contrast.kind": loss})
    image, text = built.embed_images(IMAGES).image_BD, built.embed_texts(IDS, MASK).text_BD
    logits = built.logit_scale.exp() * image @ text.T + (0 if built.logit_bias is None else built.logit_bias)
    expected = reference_of(save(kind))(**inputs_of(kind)).logits_per_image
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def copy_with(save: Save, kind: str, folder: Path, **changes: float) -> Path:
    model = reference_of(save(kind))
    for name, value in changes.items():
        nn.init.constant_(getattr(model, name), value)
    model.save_pretrained(folder)
    for file in ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"):
        if (save(kind) / file).exists():
            (folder / file).write_bytes((save(kind) / file).read_bytes())
    return folder


def test_a_scale_learned_with_one_loss_is_fit_for_the_other(save: Save, tmp_path: Path) -> None:
    siglip = copy_with(save, "siglip", tmp_path / "siglip", logit_scale=4.77, logit_bias=-12.9)
    kept = built_from(siglip, 32, {"objective.contrast.kind": "sigmoid"})
    assert (kept.logit_scale.item(), kept.logit_bias.item()) == pytest.approx((4.77, -12.9), rel=1e-6)
    kept.clamp_logit_scale()
    assert kept.logit_scale.item() == pytest.approx(4.77)  # larger than CLIP's limit, and stays
    contrast = built_from(siglip, 32)
    assert contrast.logit_bias is None
    assert contrast.logit_scale.item() == pytest.approx(math.log(100))
    clip = copy_with(save, "clip", tmp_path / "clip", logit_scale=math.log(90))
    assert built_from(clip, 24).logit_scale.exp().item() == pytest.approx(90)
    sigmoid = built_from(clip, 24, {"objective.contrast.kind": "sigmoid"})
    assert (sigmoid.logit_scale.exp().item(), sigmoid.logit_bias.item()) == pytest.approx((10, -10))


def test_only_the_projections_of_a_local_term_are_new(save: Save) -> None:
    local = built_from(save("clip"), 24, {"objective.local.weight": 1.0})
    plain = built_from(save("clip"), 24, {"train.seed": 1})
    assert local.embed_images(IMAGES).regions_BRD.shape == (3, 16, 24)
    assert local.embed_texts(IDS, MASK).tokens_BLD.shape == (3, 9, 24)
    differing = {
        name
        for name, value in local.state_dict().items()
        if not torch.equal(value, plain.state_dict().get(name, -value))
    }
    assert differing == {"region_projection.weight", "token_projection.weight"}


def test_another_image_size_interpolates_the_positions(save: Save) -> None:
    built = built_from(save("clip"), 24, image={"size": 48})
    reference = reference_of(save("clip"))
    pixels = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    features = reference.get_image_features(pixel_values=(pixels - MEAN) / STD, interpolate_pos_encoding=True)
    expected = functional.normalize(features.pooler_output, dim=-1)
    torch.testing.assert_close(built.embed_images(pixels).image_BD, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("limit", [{"freeze": True}, {"lora": 2}], ids=str)
def test_towers_of_a_whole_model_can_be_frozen_or_adapted(kind: str, limit: dict[str, Any], save: Save) -> None:
    built = built_from(save(kind), WIDTHS[kind], image=limit, text=limit)
    plain = built_from(save(kind), WIDTHS[kind])
    torch.testing.assert_close(built.embed_texts(IDS, MASK), plain.embed_texts(IDS, MASK))
    torch.testing.assert_close(built.embed_images(IMAGES), plain.embed_images(IMAGES))
    loss = built.train().embed_images(IMAGES).image_BD[:, 0].sum() + built.embed_texts(IDS, MASK).text_BD[:, 0].sum()
    loss.backward()
    towers = [*built.image.named_parameters(), *built.text.named_parameters()]
    assert all(parameter.requires_grad == ("lora_" in name) for name, parameter in towers)
    assert [name for name, parameter in towers if parameter.requires_grad and parameter.grad is None] == []
    assert built.text_projection.weight.grad is not None


def test_settings_that_a_whole_model_does_not_fit_are_named_together(save: Save) -> None:
    name = str(save("clip"))
    wrong = {"dim": 128, "image": {"size": 30}, "text": {"max_tokens": 64, "pooling": "mean"}}
    with pytest.raises(InputError) as caught:
        check_model(Model.model_validate({"pretrained": name, **wrong}))
    assert str(caught.value).splitlines() == [
        f"model.dim: {name} embeds in 24 dimensions, not 128; set it to 24",
        f"model.text.pooling: {name} was trained with cls, not mean; set it to cls",
        "model.image.size: 30 is not a multiple of the patches of 8 pixels; try 24",
        f"model.text.max_tokens: {name} has positions for 32 tokens, not 64; set it to 32 or less",
    ]


def test_a_model_that_is_not_whole_is_named(save: Save, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"model\.pretrained: .* is of type 'bert'; known: clip, cxr-bert, open_clip, siglip"
    ):
        check_model(settings_of(save("bert"), 32))
    with pytest.raises(InputError, match=r"model\.pretrained: the folder \./nothing does not exist"):
        check_model(Model.model_validate({"pretrained": "./nothing"}))
    with pytest.raises(InputError, match=r"model\.pretrained: .* holds no config\.json"):
        check_model(settings_of(tmp_path, 32))


def test_weights_without_projections_are_named(save: Save, tmp_path: Path) -> None:
    for file in save("clip").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"model\.pretrained: the weights of .* lack 'visual_projection\.weight'"):
        built_from(tmp_path, 24)


def test_weights_may_be_in_parts(save: Save, tmp_path: Path) -> None:
    reference_of(save("clip")).save_pretrained(tmp_path, max_shard_size="40KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    (tmp_path / "preprocessor_config.json").write_bytes((save("clip") / "preprocessor_config.json").read_bytes())
    whole, parts = built_from(save("clip"), 24), built_from(tmp_path, 24)
    assert all(torch.equal(value, parts.state_dict()[name]) for name, value in whole.state_dict().items())


def test_from_brings_both_towers_and_their_pooling() -> None:
    model = Model.model_validate({"pretrained": "a/b", "image": {"size": 32}})
    assert (model.image.backbone, model.image.weights, model.image.size) == ("a/b", "pretrained", 32)
    assert (model.text.backbone, model.text.weights, model.text.pooling) == ("a/b", "pretrained", "cls")
    base = Trial(data=Data(shards="phantom:any"), model=model)
    assert trial_with(base, {"train.seed": 3}).model == model
    assert trial_with(base, {"model.pretrained": "c/d"}).model.image.backbone == "c/d"
    with pytest.raises(InputError, match="both set"):
        trial_with(base, {"model.pretrained": "c/d", "model.image.backbone": "resnet50"})
    assert json.loads(model.model_dump_json())["pretrained"] == "a/b"
