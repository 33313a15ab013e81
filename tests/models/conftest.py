"""Small models of the transformers library, saved as a user would have them on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from torch import nn

from radsweep.models.features import PatchTower

TEXT: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForMaskedLM", {}),
    "roberta": ("RobertaForMaskedLM", {"max_position_embeddings": 66}),
    "xlm-roberta": ("XLMRobertaForMaskedLM", {"max_position_embeddings": 66}),
    "distilbert": ("DistilBertForMaskedLM", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}),
    "electra": ("ElectraForMaskedLM", {"embedding_size": 16}),
    "mpnet": ("MPNetForMaskedLM", {"max_position_embeddings": 66}),
    "clip_text_model": ("CLIPTextModel", {"eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 3}),
    "siglip_text_model": ("SiglipTextModel", {"max_position_embeddings": 32, "eos_token_id": 3, "bos_token_id": 2}),
}
IMAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViTForImageClassification", {}),
    "deit": ("DeiTForImageClassification", {}),
    "dinov2": ("Dinov2Model", {}),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", {"num_register_tokens": 4}),
    "clip_vision_model": ("CLIPVisionModel", {}),
    "siglip_vision_model": ("SiglipVisionModel", {}),
}
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_VOCABULARY = ("<unk>", "</s>", "a", "b", "[PAD]")

Save = Callable[[str], Path]
Check = Callable[[PatchTower, torch.Tensor], None]


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """save(model_type): a folder with a small model of random weights, and its processor of pixels."""
    folders: dict[str, Path] = {}

    def saved(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            with torch.random.fork_rng(devices=[]):
                torch.random.default_generator.manual_seed(0)
                if kind == "cxr-bert":
                    _save_cxr_bert(folders[kind])
                else:
                    _new(kind).save_pretrained(folders[kind])
            if kind.startswith("siglip"):
                _tokenizer().save_pretrained(folders[kind])
            if kind not in TEXT:
                processor = transformers.ViTImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4])
                processor.save_pretrained(folders[kind])
        return folders[kind]

    return saved


@pytest.fixture(scope="session")
def shown_alone_is_read() -> Check:
    """shown_alone_is_read(tower, images): `encode_visible`, beside a tower's own forward."""
    return _shown_alone_is_read


def _shown_alone_is_read(tower: PatchTower, images: torch.Tensor) -> None:
    regions_BRC = tower(images).regions_BRC
    assert regions_BRC is not None
    count = regions_BRC.shape[1]
    assert count == tower.patches
    every_BR = torch.arange(count).expand(len(images), -1)
    torch.testing.assert_close(tower.encode_visible(images, every_BR)[:, -count:], regions_BRC, rtol=1e-4, atol=1e-5)
    kept_BV, changed = torch.tensor([[0, 5], [2, 3]]), images.clone()
    for image, kept in enumerate(kept_BV.tolist()):
        for number in set(range(count)) - set(kept):
            row, column = (part * tower.patch for part in divmod(number, int(count**0.5)))
            changed[image, :, row : row + tower.patch, column : column + tower.patch] = 0
    shown = tower.encode_visible(images, kept_BV)
    assert torch.equal(tower.encode_visible(changed, kept_BV), shown)
    assert shown.shape[1] - 2 == tower.encode_visible(images, every_BR).shape[1] - count
    assert not torch.allclose(tower.encode_visible(images, kept_BV.flip(0)), shown)


def _new(kind: str) -> nn.Module:
    if kind in ("clip", "siglip"):
        text = _SMALL | {"vocab_size": 60, "max_position_embeddings": 32, "eos_token_id": 3, "bos_token_id": 2}
        vision = _SMALL | {"image_size": 32, "patch_size": 8}
        pair = transformers.CLIPModel if kind == "clip" else transformers.SiglipModel
        extra = {"projection_dim": 24} if kind == "clip" else {}
        model = pair(pair.config_class(text_config=text, vision_config=vision, **extra))
        for parameter in model.parameters():  # biases, norms and scale start at 0 and 1
            parameter.data += 0.1 * torch.randn_like(parameter)
        return model
    if kind in TEXT:
        name, changes = TEXT[kind]
        values = _SMALL | {"vocab_size": 60, "max_position_embeddings": 64} | changes
    else:
        name, changes = IMAGE[kind]
        values = _SMALL | {"image_size": 32, "patch_size": 8} | changes
    model_class = getattr(transformers, name)
    return model_class(model_class.config_class(**values)).train()


def _save_cxr_bert(folder: Path) -> None:
    """As microsoft/BiomedVLP-CXR-BERT-specialized lies on the hub: a pickle, and a config.json that names code."""
    config = transformers.BertConfig(**_SMALL, vocab_size=60, max_position_embeddings=64)
    model = transformers.BertForMaskedLM(config)
    head = nn.ModuleDict(
        {"dense_to_hidden": nn.Linear(32, 12), "LayerNorm": nn.LayerNorm(12), "dense_to_output": nn.Linear(12, 12)}
    )
    nn.init.normal_(head["LayerNorm"].weight)
    state = model.state_dict() | {f"cls_projection_head.{name}": value for name, value in head.state_dict().items()}
    torch.save(state, folder / "pytorch_model.bin")
    code = {"AutoConfig": "configuration_cxrbert.CXRBertConfig", "AutoModel": "modeling_cxrbert.CXRBertModel"}
    described = {"model_type": "cxr-bert", "architectures": ["CXRBertModel"], "auto_map": code, "projection_size": 12}
    (folder / "config.json").write_text(json.dumps(config.to_dict() | described))
    for file in ("configuration_cxrbert.py", "modeling_cxrbert.py"):
        (folder / file).write_text("raise SystemExit('code of the repository was run')\n")


def _tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Its padding is not the id that configurations have where they say none."""
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(_VOCABULARY)}, unk_token="<unk>")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(model), unk_token="<unk>", eos_token="</s>", pad_token="[PAD]"
    )
