"""Check that decoded images fit the object store, and decide where trials get them from."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.cluster import capacity as cluster
from radsweep.config.experiment import Experiment
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.errors import InputError
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.memory import decoded_bytes, source_for


def decide_source(experiment: Experiment, shards: ShardIndex, began: str | None = None) -> Experiment:
    """The experiment with its `data.source` decided: the order within an epoch, and so each number, depends on it.

    Args:
        began: source of the sweep that is resumed: what was decided then stays, or all its trials would run anew.

    Raises:
        InputError: images that have to fit the object store, and do not.
    """
    trials = list(possible_trials(experiment))
    capacity = cluster.object_store(cluster.nodes(), experiment.run)
    source: str = experiment.data.source
    resumed = source == "auto" and began in ("cached", "streamed")
    if source == "auto":
        source = str(began) if resumed else source_for(trials, shards, capacity)
    if source == "cached":
        check_memory(trials, shards, capacity, resumed)
    elif any(trial.adapt.image.method != "none" for trial in trials):
        raise InputError(
            "its images have to fit the object store, and they are streamed here; set data.source to cached, "
            "model.image.size lower, or adapt.image.method to none",
            key="adapt.image",
        )
    return experiment.model_copy(update={"data": experiment.data.model_copy(update={"source": source})})


def check_memory(trials: Sequence[Trial], shards: ShardIndex, capacity: float, resumed: bool = False) -> None:
    """Refuse to cache more decoded images than the object store holds: Ray would move them to disk and back.

    Args:
        capacity: bytes of the object store of each node.
        resumed: the sweep's images were cached before it was interrupted.

    Raises:
        InputError: says what is needed, what is there and what to do.
    """
    needed = decoded_bytes(trials, shards)
    if needed > capacity:
        instead = "set data.source to streamed or auto"
        if trials[0].data.folds:
            instead = "lower model.image.size"
        elif resumed:
            instead = "free memory, leave --resume out (a new sweep streams them, and its trials run anew)"
        raise InputError(
            f"{'the sweep began with cached images; ' if resumed else ''}decoded images take {needed / 2**30:.1f} GiB "
            f"and Ray's object store has {capacity / 2**30:.1f}; {instead}, or start Ray with a larger "
            "--object-store-memory",
            key="data.source",
        )
