"""Check everything that a sweep needs, from where it will run, and say how to fix what is wrong."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from radsweep.cluster import trial_capacity as cluster
from radsweep.cluster.auth import find_token
from radsweep.cluster.connect import connect
from radsweep.cluster.node_files import check_nodes
from radsweep.cluster.versions import check_versions
from radsweep.config.experiment import Experiment
from radsweep.console import Console
from radsweep.data.loading.decode import read_index
from radsweep.data.shards.schema import SPLITS
from radsweep.errors import InputError, explaining
from radsweep.store.archive import archive_place, open_store
from radsweep.store.locks import Lock
from radsweep.store.store import Store, store_folder
from radsweep.sweep.checks.data import check_evaluation, check_folds, check_reports_and_labels
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.checks.memory import decide_source
from radsweep.sweep.checks.paths import places_of
from radsweep.sweep.checks.resources import check_capacity
from radsweep.sweep.checks.selection_metric import check_selection
from radsweep.sweep.checks.techniques import check_techniques
from radsweep.sweep.checks.weights import check_weights
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.dataset import PHANTOM, check_shards, place_of
from radsweep.sweep.preparation.evaluation_sets import read_sets
from radsweep.sweep.preparation.image_memory import decoded_bytes
from radsweep.sweep.preparation.prepare import Preparations
from radsweep.sweep.search.optuna_study import open_storage, storage_url
from radsweep.tracking.address import sanitise_uri, tracking_uri
from radsweep.tracking.health import experiments_at

LEAST_FREE = 2**30  # bytes in the store: records are small, checkpoints and phantom data sets are not
PROBE = 2**20  # bytes that are written as a test


@dataclass(frozen=True)
class CheckResult:
    """Result of one check. `remedy` says what to do if it is not `fine`."""

    what: str
    fine: bool
    told: str
    remedy: str = ""


def examine(experiment: Experiment, file: str = "") -> Iterator[CheckResult]:
    """Check everything that a sweep of this experiment needs; a failed check does not stop the others.

    Starts a local Ray if RAY_ADDRESS is not set.

    Args:
        file: file that the experiment was read from, for messages.
    """
    found = partial(_found, file=file)
    store = Store(store_folder(experiment.run.store))
    yield found("experiment", lambda: _experiment(experiment, file), "correct the experiment file")
    yield found("weights", lambda: _weights(experiment), "download them, or name a folder that has them")
    yield found("store", lambda: _store(store), "free space there, or set run.store to another folder")
    if archive_place(experiment.run) is not None:
        yield found("archive", lambda: _archive(experiment), "see docs/cluster.md")
    yield found("tracking server", lambda: _tracking(experiment, store), _TRACKING)
    if experiment.search is not None:
        yield found("Optuna's study", lambda: _study(experiment, store), "see docs/search.md")
    opened: list[Preparations] = []
    yield found("data", lambda: _data(experiment, store, opened), "copy it again, or set data.shards to another folder")
    readable = bool(opened)
    if experiment.evaluate.sets:
        yield (sets := found("further sets", lambda: _sets(experiment), _SETS))
        readable = readable and sets.fine
    decided = [experiment]  # `data.source` of the last one is decided, if possible
    if (joined := found("Ray", _ray, _token_remedy())).fine:
        yield joined
        if readable:
            yield found("object store", lambda: _object_store(experiment, opened[0], decided), _OBJECT_STORE)
        yield found("resources", lambda: _resources(decided[-1], opened), _RESOURCES)
        yield found("versions", check_versions, "install the same versions on all nodes: constraints.txt pins them")
        yield found("paths", lambda: _paths(experiment, store, opened), _PATHS)
    else:
        yield joined
    if readable:
        yield found("evaluation", lambda: _evaluation(decided[-1], opened[0]), "correct the section `evaluate`")
        yield found("selection", lambda: _selection(experiment, opened[0]), _SELECTION)
        yield found("techniques", lambda: _techniques(experiment, opened[0]), "correct the settings that it names")


_SELECTION = "set evaluate.select, data.folds or data.validation_pairs as it says"
_SETS = "copy it again, or remove it from evaluate.sets"
_OBJECT_STORE = "start Ray with a larger --object-store-memory, or correct data.source"
_RESOURCES = "add nodes, or lower the resources in `run`, `train` and `search`"
_PATHS = "put it at the same path on every node, or name another path in the experiment file"
_TRACKING = (
    "start it, or set MLFLOW_TRACKING_URI to its address; credentials are read from MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD"
)


def _found(what: str, look: Callable[[], str], remedy: str, file: str) -> CheckResult:
    try:
        with explaining(file):
            return CheckResult(what, True, look())
    except InputError as error:
        return CheckResult(what, False, str(error), remedy)
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return CheckResult(what, False, told, remedy)


def _experiment(experiment: Experiment, file: str) -> str:
    check_experiment(experiment)
    return f"{experiment.experiment}, {file}"


def _weights(experiment: Experiment) -> str:
    models = [trial.model for trial in possible_trials(experiment)]
    names = check_weights(models, experiment.evaluate.public_models)
    return f"available: {', '.join(names)}" if names else "no weights from the hub or a folder are needed"


def _store(store: Store) -> str:
    store.check_writable()
    try:
        with tempfile.NamedTemporaryFile(dir=store.root) as file:
            file.write(b"\0" * PROBE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{store.root}: cannot write even {PROBE >> 20} MiB ({error.strerror})") from None
    free = shutil.disk_usage(store.root).free
    if free < LEAST_FREE:
        raise InputError(f"{store.root}: {free / 2**20:,.0f} MiB free, a sweep needs {LEAST_FREE >> 30} GiB or more")
    with tempfile.TemporaryDirectory(dir=store.root) as folder, Lock(Path(folder)) as lock:
        lock.take()
    return f"{store.root}: writable, {free / 2**30:,.0f} GiB free"


def _archive(experiment: Experiment) -> str:
    store = open_store(experiment.run)
    store.check_writable()
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


def _data(experiment: Experiment, store: Store, opened: list[Preparations]) -> str:
    named = experiment.data.shards
    folder = place_of(named, store)
    if named.startswith(PHANTOM) and not Path(folder).exists():
        return f"{named}: created by the first sweep that uses it"
    index = read_index(folder, () if experiment.data.folds else SPLITS)
    check_shards(index)
    opened.append(Preparations(index, store, Console()))
    check_folds(experiment, opened[0])
    check_reports_and_labels(list(possible_trials(experiment)), index)
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in index.splits.items())
    return f"{folder}: {sizes} studies"


def _sets(experiment: Experiment) -> str:
    return ", ".join(f"{one.folder}: {one.manifest.name}" for one in read_sets(experiment.evaluate))


def _ray() -> str:
    connect()
    import ray

    nodes = sum(node["Alive"] for node in ray.nodes())
    address = os.environ.get("RAY_ADDRESS")
    return f"{address}: {nodes} nodes" if address else "a local Ray starts"


def _token_remedy() -> str:
    if os.environ.get("RAY_ADDRESS") and find_token() is None:
        return "no token is set: `ray get-auth-token` on the head prints it; put it into RAY_AUTH_TOKEN"
    return "check that the head is up, and that this is its address: `ray status` on the head shows both"


def _resources(experiment: Experiment, opened: Sequence[Preparations]) -> str:
    capacity, arms = check_capacity(experiment, opened[0].shards) if opened else cluster.capacities(experiment)
    slots, nodes = sorted({one.slots for one in (capacity, *arms.values())}), cluster.nodes()
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return f"{cpus:g} CPUs, {gpus:g} GPUs: slots for {' or '.join(map(str, slots))} at once"


def _paths(experiment: Experiment, store: Store, opened: Sequence[Preparations]) -> str:
    named = places_of(experiment, opened[0].shards.folder if opened else None)
    check_nodes(store.root, named)
    return "every node sees run.store" + "".join(f", {key}" for key in sorted({key for key, _ in named.values()}))


def _object_store(experiment: Experiment, opened: Preparations, decided: list[Experiment]) -> str:
    decided.append(decide_source(experiment, opened.shards))
    capacity = cluster.object_store(cluster.nodes(), experiment.run) / 2**30
    needed = decoded_bytes(list(possible_trials(experiment)), opened.shards) / 2**30
    return f"{capacity:.1f} GiB on each node, decoded images take {needed:.1f}: {decided[-1].data.source}"


def _evaluation(experiment: Experiment, opened: Preparations) -> str:
    check_evaluation(experiment, opened)
    return ", ".join(experiment.evaluate.tasks)


def _selection(experiment: Experiment, opened: Preparations) -> str:
    return " ".join(
        [f"{experiment.evaluate.select}.", *check_selection(experiment, possible_trials(experiment), opened.shards_of)]
    )


def _techniques(experiment: Experiment, opened: Preparations) -> str:
    check_techniques(experiment, possible_trials(experiment), opened.shards_of)
    return "each changes something on this data"
