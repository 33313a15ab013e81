"""Every term of the objective declares its inputs; nobody else knows terms by name."""

from __future__ import annotations

import pytest

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.objective import (
    Contrast,
    ImageImage,
    ImageSsl,
    Local,
    Neighbours,
    Objective,
    Positives,
    Targets,
    TextSsl,
    TextText,
    ViewCounts,
)
from radsweep.config.stages import stages_of
from radsweep.config.terms import Need, TermSettings
from radsweep.config.trial import Trial

FROZEN = {
    "model.image.freeze": True,
    "model.text.freeze": True,
    "augment.image.crop": [1.0, 1.0],
    **{f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast", "noise")},
}


class Toy(TermSettings):
    """A term whose needs are a setting."""

    wanted: tuple[Need, ...] = ()

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset(self.wanted)


class ToyObjective(Objective):
    toy: Toy = Toy()


class ToyTrial(Trial):
    objective: ToyObjective = ToyObjective()


def trial_that_needs(*needs: Need, weight: float = 1.0) -> Trial:
    objective = ToyObjective(toy=Toy(weight=weight, wanted=needs))
    frozen = trial_with(Trial(data=Data(shards="any")), FROZEN)
    return ToyTrial(**dict(frozen) | {"objective": objective})


@pytest.mark.parametrize(
    ("term", "needs"),
    [
        (Contrast(), set()),
        (Local(), {Need.REGIONS, Need.WORDS}),
        (ImageSsl(), {Need.STRONG_VIEWS}),
        (TextSsl(), {Need.MASKED_TOKENS}),
        (TextSsl(kind="simcse"), {Need.DROPOUT_VIEWS}),
        (Neighbours(), set()),
        (ImageImage(), set()),
        (TextText(), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_term_needs(term: TermSettings, needs: set[Need]) -> None:
    assert term.needs == needs


def test_an_objective_needs_what_its_terms_with_a_weight_need() -> None:
    assert Objective().needs == set()
    assert list(Objective().terms) == ["contrast"]
    both = Objective(contrast=Contrast(weight=0), local=Local(weight=0.1), image_ssl=ImageSsl(weight=2))
    assert both.needs == {Need.REGIONS, Need.WORDS, Need.STRONG_VIEWS}
    assert list(both.terms) == ["local", "image_ssl"]
    assert ToyObjective(toy=Toy(weight=1, wanted=(Need.WORDS,))).needs == {Need.WORDS}


def test_terms_that_see_only_images_or_only_reports_are_not_an_objective() -> None:
    message = "contrast, local and neighbours all have weight 0"
    with pytest.raises(ValueError, match=message):
        Objective(contrast=Contrast(weight=0), image_ssl=ImageSsl(weight=1), text_ssl=TextSsl(weight=1))
    with pytest.raises(ValueError, match="contrast, local, neighbours and toy all have weight 0"):
        ToyObjective(contrast=Contrast(weight=0))
    assert ToyObjective(contrast=Contrast(weight=0), toy=Toy(weight=1)).terms


@pytest.mark.parametrize(
    ("name", "term", "views"), [("image_image", ImageImage, "image"), ("text_text", TextText, "text")]
)
def test_a_contrast_of_two_views_needs_two(name: str, term: type[TermSettings], views: str) -> None:
    with pytest.raises(
        ValueError, match=rf"views\.{views}: {name} compares two views of each study. Set it to 2 or more"
    ):
        Objective(**{name: term(weight=1)})  # type: ignore[arg-type]
    assert name in Objective(**{name: term(weight=1), "views": ViewCounts(**{views: 2})}).terms  # type: ignore[arg-type]
    assert name not in Objective(**{name: term(weight=0)}).terms  # type: ignore[arg-type]


def test_soft_targets_need_a_distribution_over_the_batch() -> None:
    with pytest.raises(ValueError, match=r"targets\.kind: labels is a distribution over the batch"):
        Contrast(kind="sigmoid", targets=Targets(kind="labels"))
    assert Contrast(kind="sigmoid", weight=0, targets=Targets(kind="labels")).softened_by is None
    assert Contrast(targets=Targets(kind="labels")).softened_by == "labels"


def test_the_word_list_is_read_if_similar_reports_are_asked_for() -> None:
    assert not Objective().compares_words
    assert not Objective(positives=Positives(same_report=None)).compares_words
    assert Objective(positives=Positives(same_report=0.8)).compares_words
    assert Objective(contrast=Contrast(targets=Targets(kind="reports"))).compares_words
    assert not Objective(contrast=Contrast(targets=Targets(kind="labels"))).compares_words


@pytest.mark.parametrize("need", Need)
def test_a_frozen_tower_that_a_new_term_needs_runs_in_every_step(need: Need) -> None:
    other = {"image": "text", "text": "image"}[need.tower]
    assert list(stages_of(trial_that_needs(need))) == [f"{other} features"]
    assert list(stages_of(trial_that_needs(need, weight=0))) == ["image features", "text features"]
    assert list(stages_of(trial_that_needs())) == ["image features", "text features"]


def test_the_local_score_wants_regions_and_words_of_whatever_term() -> None:
    assert not trial_that_needs(Need.REGIONS, Need.STRONG_VIEWS).objective.scores_locally
    assert trial_that_needs(Need.REGIONS, Need.WORDS).objective.scores_locally
    assert not trial_that_needs(Need.REGIONS, Need.WORDS, weight=0).objective.scores_locally
