"""Settings that would have no effect, because an ablation or a search sets them itself."""

from __future__ import annotations

from collections.abc import Iterator

from radsweep.config.ablation import Ablation
from radsweep.config.data import Data
from radsweep.config.experiment import Experiment
from radsweep.config.trial import Trial
from radsweep.errors import InputError

SIZES = ("data.pairs", "data.fraction")


def overridden(experiment: Experiment) -> Iterator[InputError]:
    """An error for each setting that a design ignores.

    Two kinds of settings stay valid. `data.seed` and `train.seed` of the base are where an ablation's seeds start. The
    base's value of a key that is searched or tuned counts if the key's condition fails.
    """
    if (ablation := experiment.ablation) is not None:
        yield from _beside_sizes(experiment.data, ablation)
        yield from _beside_seeds(ablation)
        yield from _beside_tuning(ablation, experiment.trial())
    search, fraction = experiment.search, experiment.data.fraction
    if search is not None and search.fidelity == "pairs" and fraction is not None:
        message = "the rungs of search.fidelity pairs are numbers of studies. Set data.pairs instead."
        yield InputError(message, key="data.fraction")


def _beside_sizes(data: Data, ablation: Ablation) -> Iterator[InputError]:
    if not ablation.pairs:
        return
    for key, value in zip(SIZES, (data.pairs, data.fraction), strict=True):
        if value is not None:
            yield InputError("ignored, because ablation.pairs sets the sizes. Leave out one of them.", key=key)
    for place, key in _varied(ablation):
        if key in SIZES:
            yield InputError("replaces the sizes of ablation.pairs. Leave out one of them.", key=place)


def _beside_seeds(ablation: Ablation) -> Iterator[InputError]:
    """A seed of an arm's own would make its replicates copies of one another."""
    subsets, starts = ablation.seeds.most, ablation.seeds.most * ablation.seeds.init
    for place, key in _varied(ablation):
        if key not in ("data.seed", "train.seed"):
            continue
        if (subsets if key == "data.seed" else starts) > 1:
            yield InputError("replaces the seeds of ablation.seeds. Leave out one of them.", key=place)
        elif ablation.tune is not None:
            message = "replaces the fresh seeds of what ablation.tune chooses. Leave out one of them."
            yield InputError(message, key=place)


def _beside_tuning(ablation: Ablation, base: Trial) -> Iterator[InputError]:
    """Errors for keys that every arm is tuned in although an arm sets them; an arm's own space may hold them."""
    if (tune := ablation.tune) is None:
        return
    for key, dimension in tune.space.items():
        for arm, changes in ablation.designed_arms(base).items():
            if key in changes and dimension.condition is None and key not in tune.per_arm.get(arm, {}):
                message = (
                    f"replaces the value that arm {arm} has. Leave it out, or tune it in ablation.tune.per_arm.{arm}."
                )
                yield InputError(message, key=f"ablation.tune.space.{key}")
                break


def _varied(ablation: Ablation) -> Iterator[tuple[str, str]]:
    """(Place in the experiment file, dotted key) of all that arms and levels set."""
    for arm, changes in ablation.arms.items():
        yield from ((f"ablation.arms.{arm}.{key}", key) for key in changes)
    yield from ((f"ablation.levels.{key}", key) for key in ablation.levels)
