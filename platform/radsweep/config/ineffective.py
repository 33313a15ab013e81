"""Settings of a trial that would change nothing: techniques that are on in vain, and keys that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from radsweep.config.terms import WHOLE, TermSettings
from radsweep.config.trial import Trial
from radsweep.errors import InputError

TWO_VIEWS = ("simclr", "simsiam", "moco")  # adaptation that compares two views of an image


def ineffective(trial: Trial) -> Iterator[InputError]:
    """Errors for techniques that are on and do nothing, whatever the data; see also `sweep.checks.techniques`."""
    model, augment, objective = trial.model, trial.augment, trial.objective
    if objective.views.text > 1 and not augment.text.changes_texts:
        yield InputError(
            f"the {objective.views.text} views of a report would read the same, since no text augmentation is on. Set "
            "augment.text.sentences to sample, or set it to 1",
            key="objective.views.text",
        )
    for name, tower in (("image", model.image), ("text", model.text)):
        key = f"objective.{name}_ssl.weight"
        if tower.freeze and f"{name}_ssl" in objective.terms:
            yield InputError(
                f"model.{name}.freeze keeps the {name} tower as it starts, so that the term would train only its own "
                "head, which is thrown away. Leave one of them out",
                key=key,
            )
    if not augment.ssl.changes_images:
        same = "augment.ssl changes nothing, so that the two views of an image would be the same. Set augment.ssl.crop"
        if "image_ssl" in objective.terms:
            yield InputError(f"{same}, or set it to 0", key="objective.image_ssl.weight")
        if trial.adapt.image.method in TWO_VIEWS:
            yield InputError(f"{same}, or set it to none", key="adapt.image.method")
    if model.image.freeze and model.image.freeze_batchnorm:
        yield InputError(
            "model.image.freeze keeps the whole tower as it starts, BatchNorm too. Leave one of them out",
            key="model.image.freeze_batchnorm",
        )
    rates = trial.train.learning_rates
    for name, tower, rate in (("image", model.image, rates.image), ("text", model.text, rates.text)):
        if tower.freeze and rate != 1:
            yield InputError(
                f"model.{name}.freeze: nothing of it learns. Set it to 1", key=f"train.learning_rates.{name}"
            )
    if rates.temperature != 1 and not objective.trains & WHOLE:
        yield InputError(
            f"the objective ({' and '.join(objective.terms)}) does not scale similarities by a learned temperature. "
            "Set it to 1",
            key="train.learning_rates.temperature",
        )
    if trial.train.layer_decay < 1 and model.image.freeze and model.text.freeze:
        yield InputError("both towers are frozen and have no learning rate. Set it to 1", key="train.layer_decay")


def without_effect(trial: Trial) -> dict[str, str]:
    """{dotted key: why no value of it changes the trial}, of keys that other keys switch off."""
    return dict([*_of_terms(trial), *_of_adaptation(trial), *_of_augmentation(trial), *_of_training(trial)])


Reasons = Iterator[tuple[str, str]]


def _of_terms(trial: Trial) -> Reasons:
    objective = trial.objective
    for name, term in objective:
        if isinstance(term, TermSettings) and not term.weight:
            for field in type(term).model_fields.keys() - {"weight"}:
                yield f"objective.{name}.{field}", f"objective.{name}.weight is 0"
    image, text = objective.image_ssl, objective.text_ssl
    off = {"simclr": ("queue", "momentum"), "simsiam": ("queue", "momentum", "temperature"), "moco": ()}[image.kind]
    for field in off if image.weight else ():
        yield f"objective.image_ssl.{field}", f"objective.image_ssl.kind is {image.kind}"
    if text.weight:
        other = {"mlm": "temperature", "simcse": "mask"}[text.kind]
        yield f"objective.text_ssl.{other}", f"objective.text_ssl.kind is {text.kind}"


def _of_adaptation(trial: Trial) -> Reasons:
    read_by = {
        "simclr": {"hidden", "dim", "temperature"},
        "simsiam": {"hidden", "dim"},
        "moco": {"hidden", "dim", "temperature", "queue", "momentum"},
        "mae": {"mask", "decoder_width", "decoder_layers"},
    }
    some = set().union(*read_by.values())
    for name, adapt in (("image", trial.adapt.image), ("text", trial.adapt.text)):
        off = set(type(adapt).model_fields) - {"method"} if adapt.method == "none" else set()
        if name == "image" and adapt.method != "none":
            off = some - read_by[adapt.method]
        for field in off:
            yield f"adapt.{name}.{field}", f"adapt.{name}.method is {adapt.method}"
        if adapt.method != "none" and adapt.steps is not None:
            yield f"adapt.{name}.epochs", f"adapt.{name}.steps is set"


def _of_augmentation(trial: Trial) -> Reasons:
    text, method = trial.augment.text, trial.adapt.image.method
    if text.sentences != "sample":
        yield "augment.text.keep", f"augment.text.sentences is {text.sentences}"
    if "image_ssl" in trial.objective.terms or method in TWO_VIEWS:
        return
    moved = {} if method == "none" else vars(trial.augment.ssl.moved_alone())
    for field, value in trial.augment.ssl:
        if not moved or moved[field] != value:
            yield f"augment.ssl.{field}", f"objective.image_ssl.weight is 0 and adapt.image.method is {method}"


def _of_training(trial: Trial) -> Reasons:
    train, length = trial.train, {"epochs": ("epochs",), "steps": ("steps",), "plateau": ("max_epochs", "max_steps")}
    for until, fields in length.items():
        if until != train.until:
            yield from ((f"train.{field}", f"train.until is {train.until}") for field in fields)
    if trial.model.text.weights != "scratch":
        yield "model.text.vocabulary", "the tokenizer of the pretrained text tower is used"
