"""What a sweep needs before it can plan: its data read and checked, and the room that the cluster has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radsweep.cluster import capacity
from radsweep.cluster.node_files import check_nodes
from radsweep.console import Console
from radsweep.data.loading.decode import ShardIndex, read_index
from radsweep.data.loading.subsets import subset_size
from radsweep.data.shards.schema import SPLITS
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Trial
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.estimate import work
from radsweep.sweep.identity import cell_key
from radsweep.sweep.plan import cell_trial, folds_of
from radsweep.sweep.preflight import possible_trials
from radsweep.sweep.reach import places_of, settled
from radsweep.sweep.searched import check_search
from radsweep.sweep.sources import Preparations, check_shards, check_sizes, dataset_folder
from radsweep.sweep.tasks import check_tasks


@dataclass(frozen=True)
class Opened:
    experiment: Experiment  # `data.source` says which, from here on
    base: Trial
    shards: ShardIndex
    preparations: Preparations
    room: capacity.Room  # of the base trial
    arms: Mapping[str, capacity.Room]

    def room_of(self, cell: PlannedCell) -> capacity.Room:
        return self.arms.get(cell.arm, self.room)

    def work_of(self, cell: PlannedCell) -> float:
        trial = cell_trial(self.base, cell)
        return work(trial, len(self.preparations.shards_of(trial).splits["train"]))

    def key_of(self, trial: Trial) -> str:
        return cell_key(trial, self.shards.manifest.fingerprint, self.room.device)


def open_data(
    experiment: Experiment, where: str, store: Store, console: Console, previous: SweepRecord | None = None
) -> Opened:
    """Read the data set (a phantom is made where it is not there yet) and check what only data and cluster can tell.

    Args:
        where: the experiment file, for messages.
        previous: the sweep that is resumed.

    Raises:
        InputError: what a user can put right.
    """
    base = experiment.trial()
    shards = read_index(dataset_folder(base.data.shards, store, console), () if base.data.folds else SPLITS)
    check_shards(shards)
    preparations = Preparations(shards, store, console)
    check_folds(experiment, preparations, where)
    experiment = settled(experiment, shards, where, previous.experiment["data"].get("source") if previous else None)
    check_nodes(store.root, places_of(experiment, shards.folder), where)
    check_evaluation(experiment, preparations, where)
    room, rooms = check_rooms(experiment, shards, where)
    return Opened(experiment, experiment.trial(), shards, preparations, room, rooms)


def check_folds(experiment: Experiment, preparations: Preparations, where: str) -> None:
    """Refuse more pairs than a fold's training split has, which the manifest could not tell.

    Raises:
        InputError: names the file and the key.
    """
    if experiment.data.folds:
        trials = possible_trials(experiment)
        check_sizes(trials, where, lambda trial: len(preparations.shards_of(trial).splits["train"]))


def check_evaluation(experiment: Experiment, preparations: Preparations, where: str) -> None:
    """Refuse tasks that the data, any fold of them or a further set cannot serve; `data.source` is decided.

    Raises:
        InputError: as `check_tasks`.
    """
    base = experiment.trial()
    streamed = base.data.source == "streamed"
    for values in folds_of(base):
        check_tasks(base.evaluate, preparations.shards_of(trial_with(base, values)), "test", streamed, where)


def check_rooms(
    experiment: Experiment, shards: ShardIndex, where: str
) -> tuple[capacity.Room, dict[str, capacity.Room]]:
    """As `capacity.rooms`, and whether a search fits in what is there; `data.source` is decided.

    Raises:
        InputError: what can never be had.
    """
    room, rooms = capacity.rooms(experiment)
    if experiment.search is not None:
        data = experiment.data
        pairs = subset_size(len(shards.splits["train"]), data.pairs, data.fraction)
        check_search(experiment.search, pairs, room.gpus, where)
    return room, rooms
