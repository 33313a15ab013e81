"""BiomedCLIP's layout. The image side is compared with timm, where it is installed, and with a plain ViT of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.model import ImageTower, Model, TextTower
from radsweep.config.trial import Trial
from radsweep.errors import InputError
from radsweep.models.backbone_checks import check_model
from radsweep.models.vlm import VisionLanguageModel, build_model

IMAGES = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
IDS = torch.randint(5, 60, (2, 9), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(9) < torch.tensor([[9], [6]])
WIDTH, DEPTH, PATCH, JOINT, HIDDEN = 128, 2, 8, 12, (64 + 12) // 2  # two heads of 64
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": JOINT,
        "vision_cfg": {
            "timm_model_name": "vit_tiny_patch8_32",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 32,
        },
        "text_cfg": {
            "hf_model_name": "someone/some-bert",
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 48,
        },
    },
    "preprocess_cfg": {"mean": MEAN, "std": STD},
}


def trunk_state() -> dict[str, Tensor]:
    """Names and shapes of timm's VisionTransformer without a classifier."""
    shapes = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 1 + (32 // PATCH) ** 2, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    for block in range(DEPTH):
        for name, rows, columns in (
            ("norm1", WIDTH, None),
            ("attn.qkv", 3 * WIDTH, WIDTH),
            ("attn.proj", WIDTH, WIDTH),
            ("norm2", WIDTH, None),
            ("mlp.fc1", 4 * WIDTH, WIDTH),
            ("mlp.fc2", WIDTH, 4 * WIDTH),
        ):
            shapes[f"blocks.{block}.{name}.weight"] = (rows,) if columns is None else (rows, columns)
            shapes[f"blocks.{block}.{name}.bias"] = (rows,)
    generator = torch.Generator().manual_seed(0)
    return {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def bert() -> transformers.BertModel:
    config = transformers.BertConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=96,
        vocab_size=60,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(1)
        return transformers.BertModel(config, add_pooling_layer=False).eval()


def whole_state() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    state = {f"visual.trunk.{name}": value for name, value in trunk_state().items()}
    state |= {f"text.transformer.{name}": value.clone() for name, value in bert().state_dict().items()}
    state["text.transformer.embeddings.position_ids"] = torch.arange(64).expand(1, -1).clone()  # of older files
    state["visual.head.proj.weight"] = torch.randn(JOINT, WIDTH, generator=generator)
    state["text.proj.0.weight"] = torch.randn(HIDDEN, 64, generator=generator)
    state["text.proj.2.weight"] = torch.randn(JOINT, HIDDEN, generator=generator)
    return state | {"logit_scale": torch.tensor(4.4)}


def write(folder: Path, file: str = "open_clip_pytorch_model.bin", **config: Any) -> Path:
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG | config))
    if file.endswith(".bin"):
        torch.save(whole_state(), folder / file)
    else:
        save_file(whole_state(), folder / file)
    return folder


def settings_of(folder: Path, **changes: Any) -> Model:
    image = {"size": 32} | changes.pop("image", {})
    text = {"max_tokens": 48} | changes.pop("text", {})
    return Model.model_validate({"pretrained": str(folder), "dim": JOINT, "image": image, "text": text} | changes)


def built_from(folder: Path, trial: dict[str, Any] | None = None, **changes: Any) -> VisionLanguageModel:
    settings = settings_of(folder, **changes)
    check_model(settings)
    return build_model(trial_with(Trial(data=Data(shards="phantom:any"), model=settings), trial or {}), 60).eval()


def normalised_pixels() -> Tensor:
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (MEAN, STD))
    return (IMAGES.expand(-1, 3, -1, -1) - mean) / std


def plain_vit(state: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """The class token of a ViT as timm computes it, layer by layer."""

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)

    patches = functional.conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=PATCH)
    x = torch.cat([state["cls_token"].expand(len(pixels), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
    x = x + state["pos_embed"]
    for block in range(DEPTH):
        name = f"blocks.{block}"
        qkv = linear(norm(x, f"{name}.norm1"), f"{name}.attn.qkv")
        query, key, value = qkv.unflatten(2, (3, WIDTH // 64, 64)).permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) / 64**0.5).softmax(dim=-1)
        x = x + linear((weights @ value).transpose(1, 2).flatten(2), f"{name}.attn.proj")
        x = x + linear(functional.gelu(linear(norm(x, f"{name}.norm2"), f"{name}.mlp.fc1")), f"{name}.mlp.fc2")
    return norm(x, "norm")[:, 0]


@pytest.mark.parametrize("file", ["open_clip_pytorch_model.bin", "open_clip_model.safetensors"])
def test_image_embeddings_are_those_of_a_plain_vit_and_its_projection(file: str, tmp_path: Path) -> None:
    built = built_from(write(tmp_path, file))
    pooled = plain_vit(trunk_state(), normalised_pixels())
    expected = functional.normalize(pooled @ whole_state()["visual.head.proj.weight"].T, dim=-1)
    torch.testing.assert_close(built.embed_images(IMAGES).image_BD, expected, rtol=1e-4, atol=1e-5)


def test_image_features_are_those_of_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    vit = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=WIDTH // 64, num_classes=0
    ).eval()
    vit.load_state_dict(trunk_state())
    built = built_from(write(tmp_path))
    torch.testing.assert_close(built.image(IMAGES).pooled_BP, vit(normalised_pixels()), rtol=1e-4, atol=1e-5)


def test_text_embeddings_are_those_of_open_clip(tmp_path: Path) -> None:
    hf_model = pytest.importorskip("open_clip.hf_model")
    text = hf_model.HFTextEncoder("", JOINT, bert().config, "cls_last_hidden_state_pooler", "mlp").eval()
    own = {name.removeprefix("text."): value for name, value in whole_state().items() if name.startswith("text.")}
    own.pop("transformer.embeddings.position_ids")
    text.load_state_dict(own, strict=False)  # its pooler is not used
    built = built_from(write(tmp_path))
    ids = IDS.masked_fill(~MASK, bert().config.pad_token_id)
    expected = functional.normalize(text(ids), dim=-1)
    torch.testing.assert_close(built.embed_texts(IDS, MASK).text_BD, expected, rtol=1e-4, atol=1e-5)


def test_text_embeddings_are_those_of_bert_and_two_layers(tmp_path: Path) -> None:
    built, state = built_from(write(tmp_path)), whole_state()
    summary = bert()(input_ids=IDS, attention_mask=MASK.long()).last_hidden_state[:, 0]
    projected = functional.gelu(summary @ state["text.proj.0.weight"].T) @ state["text.proj.2.weight"].T
    own = built.embed_texts(IDS, MASK).text_BD
    torch.testing.assert_close(own, functional.normalize(projected, dim=-1), rtol=1e-4, atol=1e-5)
    assert built.logit_scale.item() == pytest.approx(4.4)


def test_regions_are_its_patches_at_another_size_too(tmp_path: Path) -> None:
    built = built_from(write(tmp_path), {"objective.local.weight": 1.0}, image={"size": 48})
    images = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    assert built.embed_images(images).regions_BRD.shape == (2, 36, JOINT)


def test_its_towers_can_be_taken_by_themselves_and_get_adapters(tmp_path: Path) -> None:
    folder = str(write(tmp_path))
    image = ImageTower(backbone=folder, weights="pretrained", size=32, lora=2)
    text = TextTower(backbone=folder, weights="pretrained", max_tokens=48, freeze=True)
    settings = Model(image=image, text=text, dim=20)
    check_model(settings)
    built = build_model(Trial(data=Data(shards="phantom:any"), model=settings), 60).eval()
    whole = built_from(tmp_path)
    torch.testing.assert_close(built.image(IMAGES), whole.image(IMAGES))
    torch.testing.assert_close(built.text(IDS, MASK).last_BLC, whole.text(IDS, MASK).last_BLC)
    assert sum("lora_A" in name for name, _ in built.image.named_parameters()) == 6 * DEPTH
    with pytest.raises(InputError, match=r"model\.text\.weights: .* set it to pretrained"):
        check_model(Model(text=TextTower(backbone=folder, max_tokens=48)))


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("vision_cfg", "timm_model_name", "convnext_base"),
        ("vision_cfg", "timm_model_name", "vit_base_patch16_siglip_224"),
        ("vision_cfg", "timm_pool", "avg"),
        ("text_cfg", "hf_pooler_type", "cls_pooler"),
    ],
)
def test_others_of_open_clips_models_are_refused(part: str, key: str, value: str, tmp_path: Path) -> None:
    model = CONFIG["model_cfg"]
    folder = write(tmp_path, model_cfg=model | {part: model[part] | {key: value}})
    with pytest.raises(InputError, match=r"open_clip's layout, but no plain timm ViT with a BERT"):
        check_model(settings_of(folder))


def test_settings_that_it_does_not_fit_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(InputError, match=r"model\.text\.max_tokens: .* set it to 48 or less"):
        check_model(settings_of(tmp_path, text={"max_tokens": 49}))
    with pytest.raises(InputError, match=r"model\.dim: .* set it to 12"):
        check_model(settings_of(tmp_path, dim=128))
    with pytest.raises(InputError, match=r"model\.image\.size: 33 is not a multiple of the patches of 8"):
        check_model(settings_of(tmp_path, image={"size": 33}))


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    state = whole_state()
    del state["visual.trunk.patch_embed.proj.weight"]
    torch.save(state, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(InputError, match=r"model\.image\.backbone: .* lack 'patch_embed\.proj\.weight'"):
        built_from(tmp_path)
    (tmp_path / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(
        InputError, match=r"model\.image\.backbone: .* has no weights; put open_clip_model\.safetensors"
    ):
        built_from(tmp_path)
