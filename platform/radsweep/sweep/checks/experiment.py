"""Check an experiment before anything starts, so that a mistake costs a second and not a night."""

from __future__ import annotations

from radsweep.augment.words import check_words
from radsweep.config.experiment import Experiment
from radsweep.config.overridden import SIZES
from radsweep.config.terms import Need
from radsweep.data.storage import check_address
from radsweep.errors import InputError, explaining
from radsweep.models.backbone_checks import check_dropout, check_model, check_vit
from radsweep.models.backbone_names import nearest
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.models.pretrained_vlm import fitting_settings
from radsweep.sweep.checks.plateau import check_plateaus
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.dataset import check_sizes

# a sweep's data and measures are the same for all its trials
ONE_FOR_ALL = (
    "data.shards",
    "data.folds",
    "data.validation_pairs",
    "data.validation_ratio",
    "evaluate.select",
    "evaluate.tasks",
    "evaluate.sets",
    "evaluate.public_models",
)
PER_TASK = ("evaluate.zero_shot.", "evaluate.linear_probe.", "evaluate.class_retrieval.")
NEED_CHOICE = ("model.image.size", "augment.source_size")  # each value means decoding all images again


def check_experiment(experiment: Experiment) -> None:
    """Refuse an experiment that could not run.

    Raises:
        InputError: the error names the key and what to do.
    """
    for key in _varied_keys(experiment):
        if key in ONE_FOR_ALL or key.startswith(PER_TASK):
            raise InputError("must be the same for all trials of a sweep; run one sweep for each value", key=key)
    if experiment.search is not None and "train.workers" in experiment.search.space:
        raise InputError(
            "all trials of a search run in the same slots, so they must have the same number of workers; set "
            "train.workers, or compare numbers of workers in an ablation",
            key="search.space.train.workers",
        )
    arms = experiment.ablation.designed_arms(experiment.trial()) if experiment.ablation else {}
    for arm in experiment.run.needs:
        if arm not in arms:
            raise InputError(f"unknown arm {arm!r}{nearest(arm, arms)}", key="run.needs")
    if "data.fold" in _varied_keys(experiment) or experiment.data.fold:
        raise InputError("all folds of data.folds are run; leave data.fold out", key="data.fold")
    if experiment.ablation is not None and experiment.ablation.tune is not None and experiment.data.folds is not None:
        raise InputError(
            "with data.folds, settings would be tuned on patients that other folds test; leave one of the two out",
            key="ablation.tune",
        )
    if experiment.search is not None:
        if experiment.data.folds is not None:
            raise InputError(
                "a search cannot be cross-validated yet; search without folds, then set them in an ablation or "
                "`radsweep train` of the configuration that it found",
                key="data.folds",
            )
        sizes = experiment.search.fidelity == "pairs" or set(SIZES) & experiment.search.space.keys()
        if experiment.data.validation_ratio is not None and sizes:
            raise InputError(
                "trials on different numbers of pairs would be ranked among different numbers of candidates, and the "
                "search compares them; set data.validation_pairs",
                key="data.validation_ratio",
            )
        for key in NEED_CHOICE:
            if key in experiment.search.space and experiment.search.space[key].choice is None:
                raise InputError("use `choice`, since all images are decoded for each size", key=f"search.space.{key}")
    trials = list(possible_trials(experiment))
    check_sizes(trials)
    check_plateaus(trials)
    for model in {trial.model for trial in trials}:
        check_model(model)
        preprocessing_of(model.image)
    for tower in {trial.model.image for trial in trials if trial.adapt.image.method == "mae"}:
        check_vit(tower)
    for text in {trial.model.text for trial in trials if Need.DROPOUT_VIEWS in trial.objective.needs}:
        check_dropout(text)
    for words in {trial.augment.text.words for trial in trials if trial.reads_words}:
        check_words(words)
    with explaining(key="data.shards"):
        check_address(experiment.data.shards)
    with explaining(key="evaluate.sets"):
        for place in experiment.evaluate.sets:
            check_address(place)
    with explaining(key="evaluate.public_models"):
        for name in experiment.evaluate.public_models:
            fitting_settings(name)


def _varied_keys(experiment: Experiment) -> set[str]:
    keys = experiment.ablation.varied() if experiment.ablation else set()
    return keys | set(experiment.search.space if experiment.search else ())
