"""Relations of a batch, seen from its texts: what reads the same is known to every term."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from radsweep.data.loading.prepared import PreparedData
from radsweep.data.text.tokenizer import TokenisedReports, load_tokenizer
from radsweep.training.batches import Batch, text_keys
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.frozen_features import load_frozen, run_frozen
from radsweep.training.learner import backward
from radsweep.training.loop import start
from radsweep.training.trainer import TrialRecipe
from support.synthetic import COMPARING, SAME, synthetic_data, synthetic_trial

OFF = {"objective.positives.same_report": None}


def batches(data: PreparedData, **values: object) -> list[Batch]:
    return list(TrialRecipe(synthetic_trial(**values), data, RunContext()).batches(0))


def with_equal_reports(data: PreparedData, first: int, second: int) -> PreparedData:
    """The report of a training study in another study as well."""
    split = data.splits["train"]
    source = np.arange(len(split.index))
    source[second] = first
    group = split.index.report_group_S[source]
    changed = replace(split, index=replace(split.index, report_group_S=group), reports=split.reports.take(source))
    return replace(data, splits={**data.splits, "train": changed})


def with_reports(data: PreparedData, texts: dict[int, str]) -> PreparedData:
    """Other reports of some training studies."""
    split, tokenizer = data.splits["train"], load_tokenizer(data.tokenizer)
    rows = range(len(split.index))
    parts = [tokenizer.tokenise([texts[r]]) if r in texts else split.reports.take(np.array([r])) for r in rows]
    offsets = np.cumsum([0, *(part.offsets[-1] for part in parts)])
    reports = TokenisedReports(*(np.concatenate(columns) for columns in list(zip(*parts, strict=True))[:3]), offsets)
    return replace(data, splits={**data.splits, "train": replace(split, reports=reports)})


def positives(batch: Batch) -> set[tuple[int, int]]:
    """Pairs of different studies."""
    assert batch.rows is not None
    if batch.relations is None:
        return set()
    found = (batch.relations.texts_BB[0] > 0).nonzero().tolist()
    studies = batch.rows.study_B.tolist()
    return {(studies[i], studies[j]) for i, j in found if i != j}


def test_two_patients_with_the_same_report_are_positives_by_default() -> None:
    data = with_equal_reports(synthetic_data(), 3, 20)
    (batch,) = batches(data)
    assert positives(batch) == {(3, 20), (20, 3)}
    (batch,) = batches(data, **OFF)
    assert batch.relations is None
    (batch,) = batches(synthetic_data())
    assert batch.relations is None


def test_texts_that_augmentation_makes_equal_are_positives() -> None:
    (batch,) = batches(synthetic_data(), **SAME)
    assert batch.relations is not None
    assert torch.equal(batch.relations.reports_BB, 2 * torch.eye(32, dtype=torch.int8) - 1), "reports differ"
    texts = [[ids[mask].tolist() for ids, mask in zip(*text[:2], strict=True)] for text in batch.texts]
    for view in range(2):
        expected = [[texts[view][j] in (texts[0][i], texts[1][i]) for j in range(32)] for i in range(32)]
        assert (batch.relations.texts_BB[view] > 0).tolist() == expected
    assert len(positives(batch)) > 50
    (batch,) = batches(synthetic_data(), **SAME | OFF)
    assert batch.relations is None


def test_texts_that_differ_only_beyond_the_longest_text_are_positives() -> None:
    data = with_equal_reports(synthetic_data(), 3, 20)
    split = data.splits["train"]
    end = split.reports.offsets[21]
    split.reports.tokens_T[end - 1] += 1
    split.index.report_group_S[20] = 1000
    assert positives(batches(data)[0]) == set()
    assert positives(batches(data, **{"model.text.max_tokens": 8})[0]) == {(3, 20), (20, 3)}


def test_the_masks_of_a_frozen_text_tower_are_those_of_one_that_runs(tmp_path: object) -> None:
    data = with_equal_reports(synthetic_data(), 3, 20)
    trial = synthetic_trial(**{"model.text.freeze": True, "model.text.max_tokens": 8})
    run_frozen("text", trial, data, folder=tmp_path, adapted={})  # type: ignore[arg-type]
    features = load_frozen(tmp_path)  # type: ignore[arg-type]
    assert features is not None
    (runs,) = TrialRecipe(trial, data, RunContext()).batches(0)
    (frozen,) = TrialRecipe(trial, data, RunContext(), frozen={"text": features}).batches(0)
    assert frozen.texts == ()
    assert frozen.text_bP
    assert positives(frozen) == positives(runs) >= {(3, 20), (20, 3)}


def test_other_studies_of_a_patient_can_be_left_out() -> None:
    (batch,) = batches(synthetic_data(), **{"objective.positives.same_patient": "ignored"})
    assert batch.relations is not None
    assert batch.rows is not None
    patients = batch.rows.patient_B
    expected = (patients[:, None] == patients) & ~torch.eye(32, dtype=torch.bool)
    assert torch.equal(batch.relations.texts_BB[0] == 0, expected)
    assert int(expected.sum()) == 32


def test_similar_reports_are_positives_below_1() -> None:
    """Reports 3 and 20 share 5 of 6 words; a negation divides both from 7."""
    texts = {3: "no mass seen heart lungs change.", 20: "no mass seen heart lungs.", 7: "mass seen heart lungs change."}
    data = with_reports(synthetic_data(), texts)
    pairs = {(3, 20), (20, 3)}
    for part, expected in ((1.0, set()), (0.9, set()), (0.8, pairs), (0.1, pairs)):
        (batch,) = batches(data, **{"objective.positives.same_report": part})
        assert {pair for pair in positives(batch) if set(pair) <= set(texts)} == expected


def gradients(**values: object) -> list[torch.Tensor]:
    """The losses and every gradient of an epoch's batches; the bank fills with the first."""
    recipe = TrialRecipe(synthetic_trial(**COMPARING | values), synthetic_data(), RunContext())
    start(recipe)
    found = []
    for batch in recipe.batches(0):
        recipe.learner.zero_grad()
        loss, _ = backward(recipe.learner, batch, recipe.trial.objective, Workers())
        found += [torch.tensor(loss), *(p.grad for p in recipe.learner.parameters() if p.grad is not None)]
    return found


def test_a_batch_of_different_texts_gives_exactly_the_numbers_without_masks() -> None:
    for masked, plain in zip(gradients(), gradients(**OFF), strict=True):
        assert torch.equal(masked, plain)


def test_keys_of_texts_are_equal_for_equal_tokens_whatever_the_padding() -> None:
    (batch,) = batches(synthetic_data(), **SAME)
    text = batch.texts[0]
    keys = text_keys(text).tolist()
    rows = [tuple(ids[mask].tolist()) for ids, mask in zip(*text[:2], strict=True)]
    assert [[a == b for b in keys] for a in keys] == [[a == b for b in rows] for a in rows]
    shorter = text_keys(type(text)(*(field[:, : int(text.mask_BL[:1].sum())] for field in text)))
    assert int(shorter[0]) == keys[0]
