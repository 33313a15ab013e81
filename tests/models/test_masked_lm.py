"""The head for masked tokens that a pretrained text model brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from radsweep.config.model import TextTower
from radsweep.models.masked_lm import masked_language_head
from radsweep.models.text import build_text_tower
from radsweep.objectives.text_ssl import masked_head, masked_loss

Save = Callable[[str], Path]
WITH_HEAD = ["bert", "roberta", "xlm-roberta", "distilbert", "electra", "mpnet"]
IDS = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(1))
MASK = torch.arange(9) < torch.tensor([[9], [7], [4]])
TARGET = torch.where(torch.tensor([False, True, False, True, False, False, True, False, False]) & MASK, IDS, -1)


def pretrained(folder: Path) -> TextTower:
    return TextTower(backbone=str(folder), weights="pretrained", max_tokens=16)


def losses(folder: Path, reference: Any) -> tuple[float, float]:
    """Losses of the masked tokens: by our tower and its checkpoint's head, and by the library's own model."""
    tower = build_text_tower(pretrained(folder), 60).eval()
    start = masked_language_head(pretrained(folder))
    assert start is not None
    head = masked_head(tower.token_width, tower.input_embeddings.shape[1], 58, start)  # a tokenizer of fewer ids
    pad = reference.config.pad_token_id
    ids, labels = IDS.masked_fill(~MASK, pad), TARGET.masked_fill(TARGET < 0, -100)
    expected = reference.eval()(input_ids=ids, attention_mask=MASK.long(), labels=labels).loss
    tokens_NLC = tower(ids, MASK).last_BLC
    assert tokens_NLC is not None
    found = masked_loss(*head(tokens_NLC, TARGET, tower.input_embeddings))
    return float(found.detach()), float(expected.detach())


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_mlm_starts_from_the_loss_of_the_library(kind: str, save: Save, tmp_path: Path) -> None:
    """Row 14: the head was random though the checkpoint has one. Biases and norms are moved off their start."""
    reference = transformers.AutoModelForMaskedLM.from_pretrained(save(kind))
    generator = torch.Generator().manual_seed(2)
    for parameter in reference.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    reference.save_pretrained(tmp_path)
    found, expected = losses(tmp_path, reference)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_decoder_of_its_own_is_not_tied_to_the_embeddings(save: Save, tmp_path: Path) -> None:
    config = transformers.BertConfig.from_pretrained(save("bert"), tie_word_embeddings=False)
    reference = transformers.BertForMaskedLM(config)
    decoder = reference.cls.predictions.decoder
    torch.nn.init.normal_(decoder.weight, generator=torch.Generator().manual_seed(3))
    reference.save_pretrained(tmp_path)
    start = masked_language_head(pretrained(tmp_path))
    assert start is not None
    assert start.decoder_VE is not None
    assert torch.equal(start.decoder_VE, decoder.weight)
    found, expected = losses(tmp_path, reference)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_a_tied_decoder_is_the_towers_own_embeddings(kind: str, save: Save) -> None:
    start = masked_language_head(pretrained(save(kind)))
    assert start is not None
    assert start.decoder_VE is None


def test_cxr_bert_brings_its_head(save: Save) -> None:
    start = masked_language_head(pretrained(save("cxr-bert")))
    assert start is not None
    state = torch.load(save("cxr-bert") / "pytorch_model.bin", weights_only=True)
    assert torch.equal(start.dense.weight, state["cls.predictions.transform.dense.weight"])
    assert torch.equal(start.bias_V, state["cls.predictions.bias"])


def test_a_checkpoint_without_a_head_and_a_tower_from_scratch_have_none(save: Save, tmp_path: Path) -> None:
    transformers.BertModel.from_pretrained(save("bert")).save_pretrained(tmp_path)
    assert masked_language_head(pretrained(tmp_path)) is None
    assert masked_language_head(pretrained(save("clip_text_model"))) is None
    assert masked_language_head(TextTower(backbone=str(save("bert")))) is None
    assert masked_language_head(TextTower()) is None
