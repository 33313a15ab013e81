"""Check that decoded images fit into the object store, and decide whether they are cached or streamed."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.cluster import trial_capacity as cluster
from radsweep.config.experiment import Experiment
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.errors import InputError
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.image_memory import decoded_bytes, source_for


def decide_source(experiment: Experiment, shards: ShardIndex, began: str | None = None) -> Experiment:
    """Decide `data.source`, on which the order within an epoch, and so each number, depends.

    Args:
        began: source of the sweep that is resumed. It is kept, since otherwise all trials would run again.

    Raises:
        InputError: images that must fit into the object store do not.
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
            "its images must fit into the object store, but they are streamed here; set data.source to cached, lower "
            "model.image.size, or set adapt.image.method to none",
            key="adapt.image",
        )
    return experiment.model_copy(update={"data": experiment.data.model_copy(update={"source": source})})


def check_memory(trials: Sequence[Trial], shards: ShardIndex, capacity: float, resumed: bool = False) -> None:
    """Refuse to cache more decoded images than the object store holds: Ray would move them to disk and back.

    Args:
        capacity: bytes of the object store of each node.
        resumed: the sweep's images were cached before it was interrupted.

    Raises:
        InputError: the error says what is needed, what is available and what to do.
    """
    needed = decoded_bytes(trials, shards)
    if needed > capacity:
        instead = "set data.source to streamed or auto"
        if trials[0].data.folds:
            instead = "lower model.image.size"
        elif resumed:
            instead = "free memory, leave --resume out (a new sweep streams them and runs its trials again)"
        raise InputError(
            f"{'the sweep began with cached images; ' if resumed else ''}decoded images take {needed / 2**30:.1f} GiB, "
            f"but Ray's object store has {capacity / 2**30:.1f}; {instead}, or start Ray with a larger "
            "--object-store-memory",
            key="data.source",
        )
