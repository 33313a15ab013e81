"""Measurements of a trial beside retrieval, held against scikit-learn on the model's own embeddings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.evaluation.queries import read_queries
from radsweep.evaluation.task_results import Measured
from radsweep.training.collectives import Workers
from radsweep.training.embedder import Embedder
from radsweep.training.evaluate_tasks import measure
from radsweep.training.label_tasks import LAYER
from radsweep.training.saved_model import untrained_model
from radsweep.training.trainer import train
from support.synthetic import PROMPTS, synthetic_data, synthetic_trial

CPU = torch.device("cpu")


def embedder_of(trial: Trial, data: PreparedData) -> Embedder:
    model = untrained_model(trial, data.tokenizer)
    return Embedder(model, load_tokenizer(data.tokenizer), trial.model.text.max_tokens, CPU, Workers())


def measured(trial: Trial, data: PreparedData) -> Measured:
    return measure(embedder_of(trial, data), data, "test", trial)


def test_retrieval_is_always_measured_and_its_ranks_are_kept() -> None:
    found = measured(synthetic_trial(), synthetic_data())
    (results,) = found.queries.values()
    assert results.study_ids == synthetic_data().splits["test"].index.study_ids
    rank_S = results.ranks["text_to_image"]
    assert found.metrics["test/text_to_image/recall_at_5"] == np.mean(rank_S <= 5)
    assert set(results.ranks) == {
        "text_to_image", "image_to_text", "text_to_image_same_text", "image_to_text_same_text"
    }  # fmt: skip


@pytest.mark.parametrize("ensembling", ["norm_mean_norm", "mean_norm", "max", "mean_similarity"])
def test_zero_shot_scores_are_differences_of_cosines_with_prompts(ensembling: str) -> None:
    settings = {"evaluate.zero_shot.prompts": PROMPTS, "evaluate.zero_shot.ensembling": ensembling}
    trial = synthetic_trial(**{"evaluate.tasks": ["retrieval", "zero_shot"]}, **settings)
    data = synthetic_data()
    found = measured(trial, data)
    embedder, index = embedder_of(trial, data), data.splits["test"].index
    image_MD = embedder.images("test", data.splits["test"]).double().numpy()
    texts = ["heart seen.", "there is heart.", "no heart.", "no heart seen."]
    text_PD = embedder.prompts(texts).double().numpy()
    assert not np.allclose(np.linalg.norm(text_PD, axis=1), 1, atol=0.02), "mean_norm needs the lengths"
    unit = lambda rows: rows / np.linalg.norm(rows, axis=-1, keepdims=True)  # noqa: E731

    def similarity(rows: list[int]) -> np.ndarray:
        cosines = image_MD @ unit(text_PD[rows]).T
        return {
            "norm_mean_norm": image_MD @ unit(unit(text_PD[rows]).mean(0)),
            "mean_norm": image_MD @ unit(text_PD[rows].mean(0)),
            "max": cosines.max(1),
            "mean_similarity": cosines.mean(1),
        }[ensembling]

    score_M = similarity([0, 1]) - similarity([2, 3])
    score_S = np.array([score_M[index.image_study_M == study].mean() for study in range(len(index))])
    (results,) = found.queries.values()
    np.testing.assert_allclose(results.scores["zero_shot"]["upper left"], score_S, atol=2e-6)
    kept_S = results.scores["zero_shot"]["upper left"]
    assert found.metrics["test/zero_shot/upper left/auroc"] == roc_auc_score(index.labels_SC[:, 0], kept_S)
    assert found.chance["test/zero_shot/upper left/auroc"] == 0.5


def test_a_linear_probe_reads_what_the_images_show_and_keeps_its_scores(tmp_path: Path) -> None:
    asked = {"evaluate.tasks": ["retrieval", "linear_probe"], "evaluate.linear_probe.fractions": [0.5, 1.0]}
    trial = synthetic_trial(**asked, **{"train.steps": 2})
    data = synthetic_data(train=64)
    outcome = train(trial, data, read_test=True, folder=tmp_path)
    assert outcome.final["test/linear_probe/100_percent/auroc"] > 0.9, "the bright corner is easily read"
    assert "test/linear_probe/50_percent/upper right/average_precision" in outcome.final
    results = read_queries(tmp_path / "queries.parquet")
    assert results is not None
    for name in data.labels:
        auroc = roc_auc_score(results.labels[name], results.scores["linear_probe/100_percent"][name])
        assert auroc == outcome.final[f"test/linear_probe/100_percent/{name}/auroc"]
    assert LAYER.startswith("image tower")


def test_sets_are_measured_under_their_names_with_results_of_their_own() -> None:
    other = dataclasses.replace(synthetic_data(seed=3), name="else where/x")
    data = dataclasses.replace(synthetic_data(), sets=(other,))
    trial = synthetic_trial(**{"evaluate.tasks": ["retrieval", "zero_shot"], "evaluate.zero_shot.prompts": PROMPTS})
    found = measured(trial, data)
    assert set(found.queries) == {"queries.parquet", "queries-else-where-x.parquet"}
    alone = measured(trial, other)
    for name in ("auroc", "upper left/average_precision"):
        assert found.metrics[f"test/else where/x/zero_shot/{name}"] == alone.metrics[f"test/zero_shot/{name}"]
    assert not any(name.startswith("test/else where/x/text_to_image") for name in found.metrics)


def test_frozen_image_features_give_the_numbers_of_the_tower_itself() -> None:
    tasks = {"evaluate.tasks": ["retrieval", "zero_shot", "linear_probe"], "evaluate.zero_shot.prompts": PROMPTS}
    trial, data = synthetic_trial(**tasks), synthetic_data()
    whole = embedder_of(trial, data)
    features = {name: whole.pooled(name, split) for name, split in data.splits.items()}
    kept = dataclasses.replace(whole, frozen={"image": features})
    one, other = measure(whole, data, "test", trial), measure(kept, data, "test", trial)
    assert one.metrics == pytest.approx(other.metrics, abs=1e-12)


def test_class_retrieval_names_its_draw_and_its_pool() -> None:
    settings = {"classes": ["upper left", "upper right"], "per_class": 2, "seed": 0}
    trial = synthetic_trial(
        **{"evaluate.tasks": ["retrieval", "class_retrieval"], "evaluate.class_retrieval": settings}
    )
    found = measured(trial, synthetic_data())
    assert found.pool["test/class_retrieval/candidates"] == 4
    assert any("drawn with seed 0" in note for note in found.notes)
