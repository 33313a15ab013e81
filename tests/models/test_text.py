from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor, nn

from radsweep.errors import InputError
from radsweep.models.sources import TEXT_CLASSES
from radsweep.models.text import build_text_tower
from radsweep.spec.trial import TextTower

CLS, SEP, PAD = 2, 3, 0
Save = Callable[[str], Path]


def ids_and_mask(width: int, pad: int = PAD) -> tuple[Tensor, Tensor]:
    """Two reports of 9 and 6 tokens, special ones included."""
    ids = torch.full((2, width), pad)
    content = torch.randint(5, 60, (2, 9), generator=torch.Generator().manual_seed(0))
    for row, length in enumerate((9, 6)):
        ids[row, :length] = content[row, :length]
        ids[row, 0], ids[row, length - 1] = CLS, SEP
    return ids, torch.arange(width) < torch.tensor([[9], [6]])


def settings(folder: Path | str, **changes: object) -> TextTower:
    return TextTower.model_validate({"backbone": str(folder), "weights": "pretrained", "max_tokens": 32, **changes})


class NoDropout(nn.Module):
    """Drops nothing, but keeps `p`, which some models read and use in functions of their own."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x


def without_dropout_modules(tower: nn.Module) -> nn.Module:
    for parent in list(tower.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(parent, name, NoDropout(child.p))
    return tower


@pytest.mark.parametrize("kind", TEXT_CLASSES)
def test_a_saved_model_gives_the_features_transformers_gives(kind: str, save: Save) -> None:
    reference = transformers.AutoModel.from_pretrained(save(kind)).eval()
    if kind == "clip":
        reference = reference.text_model
    tower = build_text_tower(settings(save(kind)), 60).eval()
    ids, mask = ids_and_mask(9)
    expected = reference(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    features = tower(ids, mask)
    torch.testing.assert_close(features.tokens_BLC[mask], expected[mask], rtol=1e-5, atol=1e-6)
    mean = torch.stack([expected[0].mean(dim=0), expected[1, :6].mean(dim=0)])
    torch.testing.assert_close(features.pooled_BP, mean, rtol=1e-5, atol=1e-6)
    assert features.pooled_BP.shape[1] == tower.width


@pytest.mark.parametrize("kind", [*TEXT_CLASSES, "tiny-bert"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_changes_no_feature(kind: str, pooling: str, save: Save) -> None:
    chosen = settings(save(kind), pooling=pooling) if kind != "tiny-bert" else TextTower(pooling=pooling)
    tower = build_text_tower(chosen, 60).eval()
    pad = 1 if kind in ("roberta", "xlm-roberta", "mpnet") else PAD
    short, long = tower(*ids_and_mask(9, pad)), tower(*ids_and_mask(30, pad))
    torch.testing.assert_close(short.pooled_BP, long.pooled_BP, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(short.tokens_BLC[1, :6], long.tokens_BLC[1, :6], rtol=1e-5, atol=1e-5)


def test_clips_summary_is_that_of_transformers(save: Save) -> None:
    reference = transformers.CLIPTextModel.from_pretrained(save("clip_text_model")).eval()
    ids, mask = ids_and_mask(9)
    pooled = build_text_tower(settings(save("clip_text_model"), pooling="cls"), 60).eval()(ids, mask).pooled_BP
    torch.testing.assert_close(pooled, reference(input_ids=ids, attention_mask=mask.long()).pooler_output)


def test_the_summary_of_bert_is_its_first_token(save: Save) -> None:
    features = build_text_tower(settings(save("bert"), pooling="cls"), 60).eval()(*ids_and_mask(9))
    assert torch.equal(features.pooled_BP, features.tokens_BLC[:, 0])


@pytest.mark.parametrize("kind", [*TEXT_CLASSES, "tiny-bert"])
def test_all_randomness_of_training_is_in_dropout_modules(kind: str, save: Save) -> None:
    chosen = settings(save(kind)) if kind != "tiny-bert" else TextTower()
    tower = without_dropout_modules(build_text_tower(chosen, 60)).train()
    inputs = ids_and_mask(12)
    assert torch.equal(tower(*inputs).pooled_BP, tower(*inputs).pooled_BP)


@pytest.mark.parametrize("kind", ["bert", "roberta", "clip"])
def test_scratch_keeps_the_architecture_and_takes_the_new_vocabulary(kind: str, save: Save) -> None:
    tower = build_text_tower(settings(save(kind), weights="scratch"), 200).eval()
    saved = build_text_tower(settings(save(kind)), 60).eval()
    assert tower.encoder.get_input_embeddings().weight.shape == (200, 32)
    assert tower.width == saved.width
    ids, mask = ids_and_mask(9)
    short, long = tower(ids, mask), tower(*ids_and_mask(30))
    torch.testing.assert_close(short.pooled_BP, long.pooled_BP, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(short.pooled_BP, saved(ids, mask).pooled_BP, atol=1e-3)


def test_weights_that_lack_a_layer_are_refused(save: Save, tmp_path: Path) -> None:
    model = transformers.BertModel.from_pretrained(save("bert"), num_hidden_layers=1)
    model.save_pretrained(tmp_path)
    transformers.BertConfig.from_pretrained(save("bert")).save_pretrained(tmp_path)  # promises two layers
    with pytest.raises(InputError, match=r"model\.text\.backbone: .* lacks .* weights of BertModel"):
        build_text_tower(settings(tmp_path), 60)


def test_half_precision_weights_are_computed_in_full(save: Save, tmp_path: Path) -> None:
    transformers.BertModel.from_pretrained(save("bert")).half().save_pretrained(tmp_path)
    tower = build_text_tower(settings(tmp_path), 60)
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(save: Save) -> None:
    with pytest.raises(InputError, match="do not belong together"):
        build_text_tower(settings(save("bert")), 61)


def test_more_tokens_than_positions_are_refused(save: Save) -> None:
    with pytest.raises(InputError, match=r"model\.text\.max_tokens"):
        build_text_tower(settings(save("bert"), max_tokens=65), 60)
