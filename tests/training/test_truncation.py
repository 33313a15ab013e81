"""Row 8: what `model.text.truncation` keeps is kept wherever reports are read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import radsweep as rs
from radsweep.config.model import Truncation
from radsweep.config.stages import stages_of
from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.text.tokenizer import load_tokenizer, train_tokenizer
from radsweep.training.adaptation import recipe_of
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.frozen_features import load_frozen, run_frozen
from radsweep.training.saved_model import load_checkpoint, measured_of
from radsweep.training.trainer import TrialRecipe, train
from support.synthetic import synthetic_data, synthetic_trial

FINDINGS = "the lungs are clear and the heart is normal in size without effusion"
IMPRESSION = "no disease"
LONG = f"{FINDINGS}\n\n{IMPRESSION}"
KEPT = {
    "head": FINDINGS.split()[:6],
    "tail": LONG.split()[-6:],
    "impression_first": [*FINDINGS.split()[:4], *IMPRESSION.split()],
}
KINDS: tuple[Truncation, ...] = ("head", "tail", "impression_first")


@pytest.fixture(scope="module")
def data() -> PreparedData:
    """Pairs whose reports have 15 tokens, of which a tower of 8 reads 6."""
    tokenizer = train_tokenizer([(str(n), LONG) for n in range(5)], 200)
    plain, loaded = synthetic_data(), load_tokenizer(tokenizer)
    splits = {
        name: dataclasses.replace(
            split,
            index=dataclasses.replace(split.index, report_group_S=np.arange(len(split.index))),
            reports=loaded.tokenise([LONG] * len(split.index), joined=True),
        )
        for name, split in plain.splits.items()
    }
    unpaired = {"reports": splits["train"], "images": splits["train"]}
    return dataclasses.replace(
        plain, splits=splits, tokenizer=tokenizer, unpaired=unpaired, sections=("findings+impression",)
    )


def trial_of(truncation: Truncation, **values: object) -> Trial:
    return synthetic_trial(**({"model.text.max_tokens": 8, "model.text.truncation": truncation} | values))


def read(data: PreparedData, rows: Iterable[torch.Tensor]) -> Iterator[list[str]]:
    """The words of each row of ids."""
    backend = load_tokenizer(data.tokenizer).backend
    yield from (backend.decode(row.tolist(), skip_special_tokens=False).split() for row in rows)


@pytest.mark.parametrize("truncation", KINDS)
def test_row_8_in_training_and_masked_terms(truncation: Truncation, data: PreparedData) -> None:
    recipe = TrialRecipe(trial_of(truncation, **{"objective.text_ssl.weight": 1.0}), data, RunContext())
    batch = next(recipe.batches(0))
    text = batch.texts[0]
    own = [ids[words >= 0] for ids, words in zip(text.ids_BL, text.words_BL, strict=True)]
    assert all(words == KEPT[truncation] for words in read(data, own))
    assert batch.masked is not None
    assert batch.masked.ids_BL.shape == batch.texts[0].ids_BL.shape


@pytest.mark.parametrize("truncation", KINDS)
def test_row_8_in_adaptation(truncation: Truncation, data: PreparedData) -> None:
    values = {"adapt.text.method": "mlm", "adapt.text.steps": 2, "adapt.text.mask": 0.05, "adapt.text.batch_size": 16}
    stage = stages_of(trial_of(truncation, **values))["text"]
    recipe = recipe_of(stage, data, RunContext())  # type: ignore[arg-type]
    for held_out in (False, True):
        masked = recipe.batch(np.arange(16), Workers(), 0, held_out).masked
        assert masked is not None
        rows = [set(words) - {"[MASK]"} for words in read(data, masked.ids_BL)]
        assert sum(len(row & set(KEPT[truncation])) for row in rows) >= 60
        outside = set(LONG.split()) - set(KEPT[truncation])
        assert sum(bool(row & outside) for row in rows) <= 5  # words drawn at random


@pytest.mark.parametrize("truncation", KINDS)
def test_row_8_in_evaluation_prompts_and_frozen_features(
    truncation: Truncation, data: PreparedData, tmp_path: Path
) -> None:
    trial = trial_of(truncation)
    recipe = TrialRecipe(trial, data, RunContext())
    whole = " ".join(KEPT[truncation])
    expected = recipe.embedder.prompts([whole])
    test = data.splits["test"]
    found = recipe.embedder.texts("test", test)
    torch.testing.assert_close(found[:1], torch.nn.functional.normalize(expected, dim=-1), rtol=1e-5, atol=1e-6)
    if truncation != "impression_first":  # a prompt has no sections
        torch.testing.assert_close(recipe.embedder.prompts([LONG]), expected, rtol=1e-5, atol=1e-6)
    run_frozen("text", trial, data, folder=tmp_path, adapted={})
    features = load_frozen(tmp_path)
    assert features is not None
    projected = torch.nn.functional.normalize(recipe.model.text_projection(features["test"][:1]), dim=-1)
    torch.testing.assert_close(projected, found[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("truncation", KINDS)
def test_row_8_a_saved_checkpoint_truncates_as_it_was_trained(
    truncation: Truncation, data: PreparedData, tmp_path: Path
) -> None:
    trial = trial_of(truncation, **{"train.steps": 2})
    outcome = train(trial, data, folder=tmp_path)
    lost = 80 if truncation == "head" else 0
    note = (
        f"With tiny-bert, 80 of 80 reports are cut, and {lost} lose their whole impression at 8 tokens "
        f"(model.text.truncation: {truncation})."
    )
    assert outcome.notes == [note]
    model, loaded, _ = load_checkpoint(tmp_path / "checkpoint")
    assert loaded.model.text.truncation == truncation
    assert measured_of(model, loaded, data, "test", torch.device("cpu")).notes == [note]
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text())
    assert state["sections"] == ["findings+impression"]
    in_python = rs.load_model(tmp_path / "checkpoint", device="cpu")
    kept = " ".join(KEPT[truncation])
    np.testing.assert_allclose(in_python.embed_reports([LONG]), in_python.embed_reports([kept]), atol=1e-6)
    sections = {"findings": FINDINGS, "impression": IMPRESSION}
    np.testing.assert_allclose(in_python.embed_reports([sections]), in_python.embed_reports([kept]), atol=1e-6)
