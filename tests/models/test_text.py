from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor, nn

from radsweep.config.model import TextTower
from radsweep.errors import InputError
from radsweep.models.configs import TEXT_CLASSES
from radsweep.models.text import build_text_tower
from radsweep.models.transformers_text import TransformersText

CLS, SEP, PAD = 2, 3, 0
SIGLIP = ("siglip", "siglip_text_model")
READ_AS_SAVED = [kind for kind in TEXT_CLASSES if kind not in (*SIGLIP, "cxr-bert")]
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


def reference_of(folder: Path) -> nn.Module:
    if json.loads((folder / "config.json").read_text())["model_type"] == "siglip_text_model":
        return transformers.SiglipTextModel.from_pretrained(folder).eval()
    reference = transformers.AutoModel.from_pretrained(folder).eval()
    return reference.text_model if hasattr(reference, "text_model") else reference


@pytest.mark.parametrize("kind", READ_AS_SAVED)
def test_a_saved_model_gives_the_features_transformers_gives(kind: str, save: Save) -> None:
    reference = reference_of(save(kind))
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


@pytest.mark.parametrize("kind", SIGLIP)
def test_siglip_reads_a_text_padded_to_its_full_length(kind: str, save: Save) -> None:
    reference = reference_of(save(kind))
    ids, mask = ids_and_mask(9)
    full = torch.full((2, 32), 4)  # the tokenizer's padding
    full[:, :9] = torch.where(mask, ids, 4)
    expected = reference(input_ids=full)
    features = build_text_tower(settings(save(kind), pooling="cls"), 60).eval()(ids, mask)
    torch.testing.assert_close(features.last_BLC, expected.last_hidden_state[:, :9], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(features.pooled_BP, expected.last_hidden_state[:, -1], rtol=1e-5, atol=1e-6)


def test_cxr_bert_is_read_as_the_bert_it_is_and_runs_no_code_of_its_repository(save: Save) -> None:
    folder = save("cxr-bert")
    values = {k: v for k, v in json.loads((folder / "config.json").read_text()).items() if k != "model_type"}
    reference = transformers.BertModel(transformers.BertConfig(**values), add_pooling_layer=False).eval()
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    reference.load_state_dict({k.removeprefix("bert."): v for k, v in state.items() if k.startswith("bert.")})
    ids, mask = ids_and_mask(9)
    expected = reference(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    features = build_text_tower(settings(folder, pooling="cls"), 60).eval()(ids, mask)
    torch.testing.assert_close(features.pooled_BP, expected[:, 0], rtol=1e-5, atol=1e-6)


def test_a_bert_of_2019_loads(save: Save, tmp_path: Path) -> None:
    """As emilyalsentzer/Bio_ClinicalBERT: a pickle with all heads of pretraining, a configuration without a type."""
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    values = small | {"vocab_size": 60, "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu"}
    model = transformers.BertForPreTraining(transformers.BertConfig(**values)).eval()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(values))
    ids, mask = ids_and_mask(9)
    expected = model.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    features = build_text_tower(settings(tmp_path, pooling="cls"), 60).eval()(ids, mask)
    torch.testing.assert_close(features.pooled_BP, expected[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [*READ_AS_SAVED, "siglip"])
def test_words_of_the_local_term_are_the_sum_of_the_last_layers(kind: str, save: Save) -> None:
    """GLoRIA sums four; these models have two."""
    reference, tower = reference_of(save(kind)), build_text_tower(settings(save(kind)), 60).eval()
    ids, mask = ids_and_mask(32 if kind == "siglip" else 9, 4 if kind == "siglip" else PAD)
    attended = {} if kind == "siglip" else {"attention_mask": mask.long()}
    output = reference(input_ids=ids, output_hidden_states=True, **attended)
    expected = output.hidden_states[1] + output.hidden_states[2]
    one = tower(ids, mask)
    assert torch.equal(one.tokens_BLC, one.last_BLC)
    for count in (2, 4):
        tower.summed_layers = count
        summed = tower(ids, mask)
        torch.testing.assert_close(summed.tokens_BLC[mask], expected[mask], rtol=1e-5, atol=1e-5)
        assert torch.equal(summed.last_BLC, one.last_BLC)
        assert torch.equal(summed.pooled_BP, one.pooled_BP)


def test_four_of_six_layers_are_summed() -> None:
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=6, num_attention_heads=2, intermediate_size=48, vocab_size=60
    )
    encoder = transformers.BertModel(config, add_pooling_layer=False).eval()
    tower = TransformersText(encoder, "mean").eval()
    tower.summed_layers = 4
    ids, mask = ids_and_mask(9)
    states = encoder(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    torch.testing.assert_close(tower(ids, mask).tokens_BLC, states[3] + states[4] + states[5] + states[6])


@pytest.mark.parametrize("kind", [*TEXT_CLASSES, "tiny-bert"])
def test_input_embeddings_are_the_parameter_that_ids_are_looked_up_in(kind: str, save: Save) -> None:
    chosen = settings(save(kind)) if kind != "tiny-bert" else TextTower()
    tower = build_text_tower(chosen, 60).eval()
    assert any(parameter is tower.input_embeddings for parameter in tower.parameters())
    ids, mask = ids_and_mask(9)
    before = tower(ids, mask).last_BLC
    with torch.no_grad():
        tower.input_embeddings[ids[0, 4]] *= -3
    changed = (tower(ids, mask).last_BLC - before)[0, 4].norm()
    assert changed > 0.01
    assert len(tower.input_embeddings) == 60


@pytest.mark.parametrize("kind", ["bert", "roberta", "clip", "siglip"])
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
