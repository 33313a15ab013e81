"""What a cluster's nodes must have before a sweep starts: the store, the shards, room for decoded images."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from radsweep.data import places
from radsweep.data.decode import ShardIndex
from radsweep.data.shards import MANIFEST
from radsweep.errors import InputError
from radsweep.spec.experiment import Experiment
from radsweep.spec.trial import Trial
from radsweep.sweep import cluster
from radsweep.sweep.preflight import possible_trials
from radsweep.sweep.sources import decoded_bytes, source_for

ANSWER_WITHIN = 120.0  # seconds, of a node; one that is just being started may take a minute


def places_of(experiment: Experiment, shards: str | None = None) -> dict[str, tuple[str, str]]:
    """{path that must be there: key of the experiment file that names it, and as it was named}, over all trials.

    Args:
        shards: where those of `data.shards` lie.
    """
    trials, sets = list(possible_trials(experiment)), experiment.evaluate.sets
    words_change = any(trial.augment.text.changes_words for trial in trials)
    named = [(key, name) for trial in trials for key, name in _named(trial, words_change)]
    named += [("evaluate.against", name) for name in experiment.evaluate.against]
    data = [*((("data.shards", shards),) if shards else ()), *(("evaluate.sets", folder) for folder in sets)]
    found = {places.inside(folder, MANIFEST): (key, folder) for key, folder in data}
    return found | {name: (key, name) for key, name in reversed(named) if Path(name).is_absolute()}


def _named(trial: Trial, words_change: bool) -> Iterator[tuple[str, str]]:
    model, evaluate = trial.model, trial.evaluate
    if model.whole is not None:
        yield "model.from", model.whole
    yield "model.image.backbone", model.image.backbone
    yield "model.text.backbone", model.text.backbone
    if words_change:  # a search may join the words of one of these trials with the operations of another
        yield "augment.text.words", trial.augment.text.words
    if "zero_shot" in evaluate.tasks:
        yield "evaluate.zero_shot.prompts", evaluate.zero_shot.prompts


def check_nodes(store: Path, named: Mapping[str, tuple[str, str]], where: str) -> None:
    """Refuse a cluster with a node that could run a trial and does not see the store or what the experiment names.

    Args:
        named: as `places_of` gives them.

    Raises:
        InputError: names the node, the key and the file or folder.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = ray.get_runtime_context().get_node_id()
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
    if set(nodes) <= {own}:
        if lost := missing(list(named)):
            path, why = next(iter(lost.items()))
            key, name = named[path]
            raise InputError(f"{where}: {key}: {why if places.is_remote(path) else f'there is no {name}'}")
        return
    mark = store / f".seen-{secrets.token_hex(4)}"
    mark.touch()
    keys = {str(mark): ("run.store", str(store)), **named}
    look = ray.remote(num_cpus=0, max_retries=0)(missing)
    try:
        asked = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(list(keys)): node
            for node in nodes
        }
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN)
        for answer in answered:  # a node that dies or is slow now is none of the user's faults: trials move on
            try:
                lost = ray.get(answer)
            except ray.exceptions.RayError:
                continue
            if lost:
                name = nodes[asked[answer]]["NodeManagerAddress"]
                path, why = next(iter(lost.items()))
                key, folder = keys[path]
                raise InputError(f"{where}: {key}: node {name} does not see {folder}: {why}")
    finally:
        mark.unlink(missing_ok=True)


def missing(paths: Sequence[str]) -> dict[str, str]:
    """Those that this machine does not have, or may not read: why, and what to do."""
    found = {path: _trouble(path) for path in paths}
    return {path: why for path, why in found.items() if why}


def _trouble(path: str) -> str:
    if not places.is_remote(path):
        return "" if Path(path).exists() else "put it on a file system that all nodes share, at the same path"
    try:
        return "" if places.size_of(path) is not None else f"there is no {path}"
    except InputError as error:
        return str(error)


def settled(experiment: Experiment, shards: ShardIndex, where: str, began: str | None = None) -> Experiment:
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
        check_room(trials, shards, capacity, where, resumed)
    elif any(trial.adapt.image.method != "none" for trial in trials):
        raise InputError(
            f"{where}: adapt.image: its images have to fit the object store, and they are streamed here; set "
            "data.source to cached, model.image.size lower, or adapt.image.method to none"
        )
    return experiment.model_copy(update={"data": experiment.data.model_copy(update={"source": source})})


def check_room(trials: Sequence[Trial], shards: ShardIndex, capacity: float, where: str, resumed: bool = False) -> None:
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
            f"{where}: data.source: {'the sweep began with cached images; ' if resumed else ''}decoded images take "
            f"{needed / 2**30:.1f} GiB and Ray's object store has {capacity / 2**30:.1f}; {instead}, or start Ray with "
            "a larger --object-store-memory"
        )
