"""Stages: computed before trials and shared by them. A stage holds only the settings that decide its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from radsweep.config.adaptation import AdaptImage, AdaptText
from radsweep.config.augmentation import ImageAugmentation
from radsweep.config.model import ImageTower, TextTower
from radsweep.config.settings import Settings
from radsweep.config.training import Train
from radsweep.config.trial import Trial


class Subset(Settings):
    """The training studies of a stage that only sees those of its trial; as in `Data`."""

    pairs: int | None
    fraction: float | None
    seed: int


class Fold(Settings):
    """A fold of a cross-validation, as in `Data`. A stage does not see its test and validation patients."""

    folds: int
    fold: int


class _Stage(Settings):
    fold: Fold | None
    subset: Subset | None  # None: all of the training split and its unpaired pool
    train: Train


class ImageStage(_Stage):
    """Self-supervision of an image tower. Its canonical JSON is part of the stage's key."""

    kind: Literal["image"] = "image"
    tower: ImageTower
    adapt: AdaptImage
    augment: ImageAugmentation


class TextStage(_Stage):
    """Masked language modelling of a text tower. Its canonical JSON is part of the stage's key."""

    kind: Literal["text"] = "text"
    tower: TextTower
    adapt: AdaptText


class _Frozen(Settings):
    fold: Fold | None  # which studies are in which split
    pretrained: str | None  # of `model.pretrained`
    seed: int | None  # of a random start
    workers: int
    threads: int
    precision: str


class FrozenImage(_Frozen):
    """Features of all images by a frozen tower."""

    kind: Literal["image features"] = "image features"
    tower: ImageTower
    adapted: ImageStage | None


class FrozenText(_Frozen):
    """Features of all reports by a frozen tower."""

    kind: Literal["text features"] = "text features"
    tower: TextTower
    adapted: TextStage | None


AdaptationStage = ImageStage | TextStage
Stage = AdaptationStage | FrozenImage | FrozenText
StageName = Literal["image", "text", "image features", "text features"]


def stages_of(trial: Trial) -> dict[StageName, Stage]:
    """Return the stages before a trial, in the order in which they need one another. Trials share equal ones."""
    adaptations = adaptations_of(trial)
    stages: dict[StageName, Stage] = {name: stage for name, stage in adaptations.items()}  # noqa: C416
    image, text, train = trial.model.image, trial.model.text, trial.train
    common = {
        "fold": fold_of_trial(trial),
        "pretrained": trial.model.pretrained,
        "workers": train.workers,
        "threads": train.threads,
        "precision": train.precision,
    }
    if _image_features_suffice(trial):
        adapted = adaptations.get("image")
        seed = train.seed if image.weights == "scratch" and adapted is None else None
        stages["image features"] = FrozenImage(tower=image, adapted=adapted, seed=seed, **common)  # type: ignore[arg-type]
    if _text_features_suffice(trial):
        adapted = adaptations.get("text")
        seed = train.seed if text.weights == "scratch" and adapted is None else None
        stages["text features"] = FrozenText(tower=text, adapted=adapted, seed=seed, **common)  # type: ignore[arg-type]
    return stages


def fold_of_trial(trial: Trial) -> Fold | None:
    return None if trial.data.folds is None else Fold(folds=trial.data.folds, fold=trial.data.fold)


def stage_spec(trial: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The canonical form of one of a trial's stages, from the trial's."""
    stages: Mapping[str, Stage] = stages_of(Trial.model_validate(trial))  # type: ignore[assignment]
    return stages[name].model_dump(mode="json")


def adaptations_of(trial: Trial) -> dict[Literal["image", "text"], AdaptationStage]:
    """The adaptation stages that a trial starts from. Trials that differ in nothing a stage sees share it."""
    stages: dict[Literal["image", "text"], AdaptationStage] = {}
    as_it_starts = {"freeze": False, "lora": 0, "top_layers": None}
    if trial.adapt.image.method != "none":
        stages["image"] = ImageStage(
            fold=fold_of_trial(trial),
            subset=_subset(trial, trial.adapt.image.data),
            train=_train(trial, trial.adapt.image),
            tower=trial.model.image.model_copy(update=as_it_starts | {"freeze_batchnorm": False}),
            adapt=trial.adapt.image,
            # pixels' values are what mae predicts: it only learns from crops (He et al. 2022, table 1e)
            augment=trial.augment.ssl.moved_alone() if trial.adapt.image.method == "mae" else trial.augment.ssl,
        )
    if trial.adapt.text.method != "none":
        stages["text"] = TextStage(
            fold=fold_of_trial(trial),
            subset=_subset(trial, trial.adapt.text.data),
            train=_train(trial, trial.adapt.text),
            tower=trial.model.text.model_copy(update=as_it_starts),
            adapt=trial.adapt.text,
        )
    return stages


def _image_features_suffice(trial: Trial) -> bool:
    """True if a frozen image tower would see the same images in every step of every trial, for pooled features only."""
    at_hand = trial.data.source != "streamed"
    still = not trial.augment.image.changes_images
    return trial.model.image.freeze and still and at_hand and not _has_to_run("image", trial)


def _text_features_suffice(trial: Trial) -> bool:
    plain = not trial.augment.text.changes_texts
    return trial.model.text.freeze and plain and not _has_to_run("text", trial)


def _has_to_run(tower: Literal["image", "text"], trial: Trial) -> bool:
    """True if a term reads more of the tower than its pooled features."""
    return any(need.tower == tower for need in trial.objective.needs)


def _subset(trial: Trial, data: Literal["all", "subset"]) -> Subset | None:
    if data == "all":
        return None
    all_of_them = trial.data.pairs is None and trial.data.fraction is None  # whatever order they would be taken in
    return Subset(pairs=trial.data.pairs, fraction=trial.data.fraction, seed=0 if all_of_them else trial.data.seed)


def _train(trial: Trial, adapt: AdaptImage | AdaptText) -> Train:
    """The loop's settings: the stage's own length and rates, the trial's workers and precision."""
    return Train(
        until="epochs" if adapt.steps is None else "steps",
        epochs=adapt.epochs,
        steps=adapt.steps or 1,
        batch_size=adapt.batch_size,
        learning_rate=adapt.learning_rate,
        weight_decay=adapt.weight_decay,
        workers=trial.train.workers,
        threads=trial.train.threads,
        precision=trial.train.precision,
        seed=adapt.seed,
    )
