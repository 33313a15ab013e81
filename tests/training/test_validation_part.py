"""A trial is selected on a part of the validation split, or by the local score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radsweep.data.loading.validation_part import validation_rows
from radsweep.evaluation.local_retrieval import rank_locally
from radsweep.evaluation.retrieval import metrics_of
from radsweep.training.context import RunContext
from radsweep.training.trainer import TrialFailed, TrialRecipe, train
from support.synthetic import synthetic_data, synthetic_trial

LOCAL = {"objective.contrast.weight": 0, "evaluate.select": "val/text_to_image_local/mean_reciprocal_rank"}
PART = {"data.validation_pairs": 7, "data.seed": 2}


def test_a_part_selects_as_if_it_were_the_whole_split() -> None:
    """Beside a trial whose data has no other validation studies."""
    data = synthetic_data()
    trial = synthetic_trial(**PART)
    rows = validation_rows(trial.data, data.splits["train"].index, data.splits["validation"].index)
    fewer = replace(data, splits=data.splits | {"validation": data.splits["validation"].take(rows)})  # type: ignore[operator]
    one, other = train(trial, data), train(synthetic_trial(**{"data.seed": 2}), fewer)
    assert [look.metrics["val/text_to_image/mean_rank"] for look in one.history] == [
        look.metrics["val/text_to_image/mean_rank"] for look in other.history
    ]
    assert one.best == other.best
    assert one.pool == other.pool == {"val/queries": 7, "val/candidates": 7}
    assert one.chance == other.chance
    assert one.chance["val/text_to_image/recall_at_5"] == pytest.approx(5 / 7)


def test_all_arms_of_a_size_are_selected_on_the_same_studies_and_the_test_split_stays_whole() -> None:
    data = synthetic_data()
    arms = ({}, {"objective.local.weight": 1.0}, {"train.seed": 4})
    studies = [
        TrialRecipe(synthetic_trial(**PART, **arm), data, RunContext()).validation.index.study_ids for arm in arms
    ]
    assert len(set(studies)) == 1
    outcome = train(synthetic_trial(**PART, **{"train.steps": 2}), data, read_test=True)
    assert (outcome.pool["val/candidates"], outcome.pool["test/candidates"]) == (7, 24)
    assert outcome.pairs == 32


def test_features_of_frozen_towers_are_those_of_the_part() -> None:
    still = {f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast", "noise")}
    frozen = still | {"augment.image.crop": [1.0, 1.0], "model.image.freeze": True, "model.text.freeze": True}
    data, trial = synthetic_data(), synthetic_trial(**PART, **frozen)
    recipe = TrialRecipe(trial, data, RunContext())
    features = {name: recipe.embedder.pooled(name, split) for name, split in data.splits.items()}
    with_features = TrialRecipe(trial, data, RunContext(), frozen={"image": features})
    assert with_features.measure() == pytest.approx(recipe.measure(), abs=1e-9)


def test_more_validation_pairs_than_there_are_fail_the_trial() -> None:
    with pytest.raises(TrialFailed, match=r"data\.validation_pairs: 25 validation studies were asked for"):
        train(synthetic_trial(**{"data.validation_pairs": 25}), synthetic_data())


def test_the_local_score_selects_where_only_the_local_term_is_trained() -> None:
    data = synthetic_data()
    trial = synthetic_trial(**{"objective.local.weight": 1.0, "train.steps": 60, "evaluate.every_steps": 5}, **LOCAL)
    outcome = train(trial, data, read_test=True)
    scores = [look.metrics[trial.evaluate.select] for look in outcome.history]
    assert outcome.best[trial.evaluate.select] == max(scores)
    assert outcome.best_step in [
        look.step for look in outcome.history if look.metrics[trial.evaluate.select] == max(scores)
    ]
    assert outcome.final["test/text_to_image_local/mean_reciprocal_rank"] > 0
    assert outcome.chance["val/text_to_image_local/recall_at_10"] == pytest.approx(10 / 24)
    learnt = outcome.best["val/text_to_image_local/rank_percentile"]
    assert learnt > 0.6 > outcome.best["val/text_to_image/rank_percentile"], "whole embeddings stay at chance"


def test_the_local_score_of_a_part_is_that_of_its_studies() -> None:
    data = synthetic_data()
    trial = synthetic_trial(**{"objective.local.weight": 1.0}, **LOCAL, **PART)
    recipe = TrialRecipe(trial, data, RunContext())
    rows = validation_rows(trial.data, data.splits["train"].index, data.splits["validation"].index)
    part = data.splits["validation"].take(rows)
    ranks = rank_locally(*recipe.embedder.regions_and_words(part), part.index.image_study_M, trial.objective.local)
    expected = {f"val/{name}": value for name, value in metrics_of(ranks).items()}
    found = recipe.measure()
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert len(np.unique(part.index.image_study_M)) == 7
