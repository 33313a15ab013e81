"""Check that every node sees the store and the files that an experiment names."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from radsweep.data import storage
from radsweep.errors import InputError

ANSWER_WITHIN = 120.0  # seconds; a node that is being started may take a minute


def check_nodes(store: Path, named: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a cluster if a node that could run a trial does not see the store or a file that the experiment names.

    Args:
        named: as `places_of` returns them.

    Raises:
        InputError: the error names the node, the key and the file or folder.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = ray.get_runtime_context().get_node_id()
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
    if set(nodes) <= {own}:
        if lost := missing_paths(list(named)):
            path, why = next(iter(lost.items()))
            key, name = named[path]
            raise InputError(why if storage.is_remote(path) else f"{name} does not exist", key=key)
        return
    mark = store / f".seen-{secrets.token_hex(4)}"
    mark.touch()
    keys = {str(mark): ("run.store", str(store)), **named}
    look = ray.remote(num_cpus=0, max_retries=0)(missing_paths)
    try:
        asked = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(list(keys)): node
            for node in nodes
        }
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN)
        for answer in answered:  # a node that dies or is slow now is not the user's fault: trials move to others
            try:
                lost = ray.get(answer)
            except ray.exceptions.RayError:
                continue
            if lost:
                name = nodes[asked[answer]]["NodeManagerAddress"]
                path, why = next(iter(lost.items()))
                key, folder = keys[path]
                raise InputError(f"node {name} does not see {folder}: {why}", key=key)
    finally:
        mark.unlink(missing_ok=True)


def missing_paths(paths: Sequence[str]) -> dict[str, str]:
    """Return the paths that this machine does not have or may not read: {path: why, and what to do}."""
    found = {path: _trouble(path) for path in paths}
    return {path: why for path, why in found.items() if why}


def _trouble(path: str) -> str:
    if not storage.is_remote(path):
        return "" if Path(path).exists() else "put it on a file system that all nodes share, at the same path"
    try:
        return "" if storage.size_of(path) is not None else f"{path} does not exist"
    except InputError as error:
        return str(error)
