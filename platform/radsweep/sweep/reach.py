"""What a cluster's nodes must have before a sweep starts: the store, the shards, room for decoded images."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from radsweep.data import places
from radsweep.data.decode import ShardIndex
from radsweep.data.shards import MANIFEST
from radsweep.errors import InputError
from radsweep.spec.trial import Trial
from radsweep.sweep.sources import decoded_bytes

ANSWER_WITHIN = 120.0  # seconds, of a node; one that is just being started may take a minute


def check_nodes(store: Path, folders: Iterable[tuple[str, str]], where: str) -> None:
    """Refuse a cluster with a node that could run a trial and does not see the store or the data.

    Args:
        folders: of data sets, each with the key of the experiment file that names it.

    Raises:
        InputError: names the node and the folder.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = ray.get_runtime_context().get_node_id()
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
    if set(nodes) <= {own}:
        return
    mark = store / f".seen-{secrets.token_hex(4)}"
    mark.touch()
    keys = {str(mark): ("run.store", str(store))}
    keys |= {places.inside(folder, MANIFEST): (key, folder) for key, folder in folders}
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


def check_room(trials: Sequence[Trial], shards: ShardIndex, capacity: float, where: str) -> None:
    """Refuse to cache more decoded images than the object store holds: Ray would move them to disk and back.

    Args:
        capacity: bytes of the cluster's object store.

    Raises:
        InputError: says what is needed, what is there and what to do.
    """
    needed = decoded_bytes(trials, shards)
    if needed > capacity:
        instead = "lower model.image.size" if trials[0].data.folds else "set data.source to streamed or auto"
        raise InputError(
            f"{where}: data.source: decoded images take {needed / 2**30:.1f} GiB and Ray's object store has "
            f"{capacity / 2**30:.1f}; {instead}, or start Ray with a larger --object-store-memory"
        )
