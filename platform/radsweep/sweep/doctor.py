"""What a sweep needs, looked at from where it will run: a finding for each thing, and what to do about a bad one."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from radsweep.data.decode import ShardIndex, read_index
from radsweep.data.schema import SPLITS
from radsweep.errors import InputError
from radsweep.spec.experiment import Experiment
from radsweep.sweep import cluster
from radsweep.sweep.archive import archive_place, open_store
from radsweep.sweep.code import LIBRARIES
from radsweep.sweep.locks import Lock
from radsweep.sweep.preflight import check_experiment, possible_trials
from radsweep.sweep.reach import ANSWER_WITHIN, check_nodes, places_of, settled
from radsweep.sweep.sources import PHANTOM, check_shards, decoded_bytes, place_of
from radsweep.sweep.store import Store, store_folder
from radsweep.sweep.study import open_storage, storage_url
from radsweep.sweep.tokens import find_token
from radsweep.tracking.address import sanitise_uri, tracking_uri
from radsweep.tracking.answers import experiments_at

LEAST_FREE = 2**30  # bytes in the store: records are small, checkpoints and phantom data sets are not
PROBE = 2**20  # bytes that are written to see whether they can be
COMPARED = (*LIBRARIES, "ray", "pydantic", "pyarrow")  # what driver and workers must have in common


@dataclass(frozen=True)
class Finding:
    """Of one thing. `remedy` says what to do, where it is not `fine`."""

    what: str
    fine: bool
    told: str
    remedy: str = ""


def examine(experiment: Experiment, where: str) -> Iterator[Finding]:
    """Everything that a sweep of this experiment needs, each whether or not what came before it was fine.

    Starts a local Ray where RAY_ADDRESS names none.
    """
    store = Store(store_folder(experiment.run.store))
    yield _found("experiment", lambda: _experiment(experiment, where), "put it right in the experiment file")
    yield _found("store", lambda: _store(store, where), "free space there, or set run.store to another folder")
    if archive_place(experiment.run) is not None:
        yield _found("archive", lambda: _archive(experiment, where), "see docs/cluster.md")
    yield _found("tracking server", lambda: _tracking(experiment, store), _TRACKING)
    if experiment.search is not None:
        yield _found("Optuna's study", lambda: _study(experiment, store), "see docs/search.md")
    shards: list[ShardIndex] = []
    yield _found(
        "data", lambda: _data(experiment, store, shards), "copy it again, or set data.shards to another folder"
    )
    if (joined := _found("Ray", _ray, _token_remedy())).fine:
        yield joined
        yield _found("resources", lambda: _resources(experiment), "add nodes, or lower what `run` and `train` ask for")
        yield _found("versions", _versions, "install the same versions on all nodes: constraints.txt pins them")
        yield _found(
            "paths", lambda: _paths(experiment, store, shards, where), "mount it on every node, at the same path"
        )
        if shards:
            remedy = "start Ray with a larger --object-store-memory"
            yield _found("object store", lambda: _object_store(experiment, shards[0], where), remedy)
    else:
        yield joined


_TRACKING = (
    "start it, or set MLFLOW_TRACKING_URI to where it is; a password is taken from MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD"
)


def _found(what: str, look: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(what, True, look())
    except InputError as error:
        return Finding(what, False, str(error), remedy)
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return Finding(what, False, told, remedy)


def _experiment(experiment: Experiment, where: str) -> str:
    check_experiment(experiment, where)
    return f"{experiment.experiment}, {where}"


def _store(store: Store, where: str) -> str:
    store.check_writable(where)
    try:
        with tempfile.NamedTemporaryFile(dir=store.root) as file:
            file.write(b"\0" * PROBE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{store.root}: not even {PROBE >> 20} MiB can be written ({error.strerror})") from None
    free = shutil.disk_usage(store.root).free
    if free < LEAST_FREE:
        raise InputError(f"{store.root}: {free / 2**20:,.0f} MiB free, a sweep wants {LEAST_FREE >> 30} GiB or more")
    with tempfile.TemporaryDirectory(dir=store.root) as folder, Lock(Path(folder)) as lock:
        lock.take()
    return f"{store.root}: writable, {free / 2**30:,.0f} GiB free"


def _archive(experiment: Experiment, where: str) -> str:
    store = open_store(experiment.run, where)
    store.check_writable(where)
    return f"{archive_place(experiment.run)}: writable"


def _tracking(experiment: Experiment, store: Store) -> str:
    uri = tracking_uri(experiment.run.tracking_uri, store.root)
    found = experiments_at(uri, store.root)
    return f"{sanitise_uri(uri)}: answers" + ("" if found else ", without any experiment yet")


def _study(experiment: Experiment, store: Store) -> str:
    if experiment.run.optuna_storage is None:
        return "a SQLite file in the sweep's folder"
    open_storage(storage_url(experiment.run.optuna_storage, store.root))
    return f"{sanitise_uri(experiment.run.optuna_storage)}: opens"


def _data(experiment: Experiment, store: Store, shards: list[ShardIndex]) -> str:
    named = experiment.data.shards
    folder = place_of(named, store)
    if named.startswith(PHANTOM) and not Path(folder).exists():
        return f"{named}: is made when a sweep first asks for it"
    index = read_index(folder, () if experiment.data.folds else SPLITS)
    check_shards(index)
    shards.append(index)
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in index.splits.items())
    return f"{folder}: {sizes} studies"


def _ray() -> str:
    cluster.connect()
    import ray

    nodes = sum(node["Alive"] for node in ray.nodes())
    address = os.environ.get("RAY_ADDRESS")
    return f"{address}: {nodes} nodes" if address else "a local one starts"


def _token_remedy() -> str:
    if os.environ.get("RAY_ADDRESS") and find_token() is None:
        return "no token is set: `ray get-auth-token` on the head prints it; put it into RAY_AUTH_TOKEN"
    return "is the head up, and is this its address? `ray status` on it tells"


def _resources(experiment: Experiment) -> str:
    import ray

    (room, arms), total = cluster.rooms(experiment), ray.cluster_resources()
    slots = sorted({one.slots for one in (room, *arms.values())})
    return (
        f"{total.get('CPU', 0):g} CPUs, {total.get('GPU', 0):g} GPUs: slots for {' or '.join(map(str, slots))} at once"
    )


def own_versions() -> dict[str, str]:
    """Of this process: Python, and the libraries that driver and workers exchange data and numbers by."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in COMPARED}


def _versions() -> str:
    """Raises InputError where a node differs from this process."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = own_versions()
    look = ray.remote(num_cpus=0, max_retries=0)(own_versions)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(): name
        for node, name in nodes.items()
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN)
    differ: defaultdict[str, list[str]] = defaultdict(list)
    for answer in answered:
        try:
            found = ray.get(answer)
        except ray.exceptions.RayError as error:
            differ[asked[answer]].append(f"does not answer ({type(error).__name__})")
            continue
        told = [f"{name} {found[name]}, here {version}" for name, version in own.items() if found[name] != version]
        differ[asked[answer]] += told
    for answer in silent:
        differ[asked[answer]].append(f"does not answer within {ANSWER_WITHIN:.0f} s")
    if problems := [f"node {name} has {', '.join(told)}" for name, told in differ.items() if told]:
        raise InputError("; ".join(problems))
    return f"the same on {len(nodes)} nodes: " + ", ".join(f"{name} {own[name]}" for name in ("python", "torch", "ray"))


def _paths(experiment: Experiment, store: Store, shards: Sequence[ShardIndex], where: str) -> str:
    named = places_of(experiment, shards[0].folder if shards else None)
    check_nodes(store.root, named, where)
    return ", ".join(["every node sees the store", *sorted({key for key, _ in named.values()})])


def _object_store(experiment: Experiment, shards: ShardIndex, where: str) -> str:
    source = settled(experiment, shards, where).data.source
    capacity = cluster.object_store(cluster.nodes(), experiment.run) / 2**30
    needed = decoded_bytes(list(possible_trials(experiment)), shards) / 2**30
    return f"{capacity:.1f} GiB on each node, decoded images take {needed:.1f}: {source}"
