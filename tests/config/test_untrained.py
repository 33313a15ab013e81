"""A trial ranks by what it trains, its frozen towers included: what selects and is reported."""

from __future__ import annotations

from typing import Any

import pytest

from radsweep.config.data import Data
from radsweep.config.objective import Contrast, ImageSsl, Local, Neighbours, TextSsl
from radsweep.config.terms import PARTS, WHOLE, Embedding, TermSettings
from radsweep.config.trees import trial_with
from radsweep.config.trial import Trial
from radsweep.config.untrained import untrained
from radsweep.training.context import RunContext
from radsweep.training.loop import start
from radsweep.training.precision import Precision
from radsweep.training.trainer import TrialRecipe
from support.synthetic import synthetic_data, synthetic_trial

LOCAL_ONLY = {"objective.contrast.weight": 0, "objective.local.weight": 1}
NEIGHBOURS_ONLY = {"objective.contrast.weight": 0, "objective.neighbours.weight": 1}
BY_LOCAL_SCORE = {"evaluate.select": "val/text_to_image_local/recall_at_10"}
CLIP = {"model.pretrained": "openai/clip-vit-base-patch32"}


def problems(changes: dict[str, Any]) -> list[str]:
    values = dict(sorted(changes.items(), key=lambda change: change[1] == 0))  # no step of it without a term
    return [str(problem) for problem in untrained(trial_with(Trial(data=Data(shards="any")), values))]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (LOCAL_ONLY, "the objective (local) does not train those of images and reports. Set objective.contrast.weight"),
        (LOCAL_ONLY, "or set evaluate.select to val/text_to_image_local/recall_at_10"),
        (NEIGHBOURS_ONLY, "the objective (neighbours) does not train those of reports"),
        (NEIGHBOURS_ONLY | {"objective.local.weight": 1}, "(local and neighbours) does not train those of reports"),
        (LOCAL_ONLY | {"objective.image_ssl.weight": 1, "objective.text_ssl.weight": 1}, "those of images and reports"),
        (BY_LOCAL_SCORE, "ranks by image regions and words, but the objective (contrast) does not train both"),
        (BY_LOCAL_SCORE, "or set it to val/text_to_image/recall_at_10"),
        (LOCAL_ONLY | CLIP, "does not train those of images and reports"),  # its towers move, its projections do not
        (NEIGHBOURS_ONLY | CLIP | {"model.image.freeze": True}, "does not train those of reports"),
    ],
)
def test_objectives_that_leave_the_selected_embeddings_untrained_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    (problem,) = problems(changes)
    assert problem.startswith("evaluate.select: ranks by ")
    assert said in problem


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objective.local.weight": 1, "objective.neighbours.weight": 1},
        {"model.image.freeze": True, "model.text.freeze": True},  # the projections are trained
        LOCAL_ONLY | BY_LOCAL_SCORE,
        {"objective.local.weight": 1} | BY_LOCAL_SCORE,
        NEIGHBOURS_ONLY | CLIP | {"model.text.freeze": True},  # images are pulled to texts that stay
    ],
    ids=str,
)
def test_objectives_that_train_what_selects_pass(changes: dict[str, Any]) -> None:
    assert problems(changes) == []


def test_tasks_that_read_embeddings_of_whole_images_and_texts_need_them_trained() -> None:
    (problem,) = problems(LOCAL_ONLY | BY_LOCAL_SCORE | {"evaluate.tasks": ["retrieval", "zero_shot"]})
    assert problem.startswith("evaluate.tasks: zero_shot compares embeddings of whole images and texts")
    assert problems(LOCAL_ONLY | BY_LOCAL_SCORE | {"evaluate.tasks": ["retrieval", "linear_probe"]}) == []


PARAMETERS = {
    Embedding.IMAGE: "model.image_projection.weight",
    Embedding.TEXT: "model.text_projection.weight",
    Embedding.REGIONS: "model.region_projection.weight",
    Embedding.WORDS: "model.token_projection.weight",
}


@pytest.mark.parametrize("name", ["contrast", "local", "image_ssl", "text_ssl", "neighbours"])
def test_a_term_trains_the_embeddings_that_it_declares_and_no_other(name: str) -> None:
    """The gradient of each term by itself, from the parameters of a model."""
    terms: dict[str, TermSettings] = {
        "contrast": Contrast(), "local": Local(), "image_ssl": ImageSsl(), "text_ssl": TextSsl(),
        "neighbours": Neighbours(),
    }  # fmt: skip
    ssl = {"objective.image_ssl.hidden": 16, "objective.image_ssl.dim": 8, "objective.neighbours.bank": 8}
    on = {f"objective.{name}.weight": 1, "train.batch_size": 16} | ssl
    trial = synthetic_trial(**on)
    recipe = TrialRecipe(trial, synthetic_data(), RunContext())
    start(recipe)
    others = {f"objective.{other}.weight": 1e-30 for other in terms if other in trial.objective.terms and other != name}
    recipe.trial = trial_with(trial, others)  # contrast, without which some are not an objective
    for batch in recipe.batches(0):  # the bank of neighbours is full at the second
        recipe.learner.zero_grad()
        recipe.backward(batch, Precision())
    gradients = {key: value.grad for key, value in recipe.learner.named_parameters() if value.grad is not None}
    trained = {
        embedding for embedding, key in PARAMETERS.items() if key in gradients and gradients[key].abs().max() > 1e-20
    }
    assert trained == terms[name].trains
    assert trained in (WHOLE, PARTS, {Embedding.IMAGE}, set())
