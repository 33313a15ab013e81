"""What a sweep needs before it can plan: its data read and checked, and the room that the cluster has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radsweep.data.decode import ShardIndex, read_index
from radsweep.data.schema import SPLITS
from radsweep.data.subsets import subset_size
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Trial
from radsweep.sweep import cluster
from radsweep.sweep.identity import cell_key
from radsweep.sweep.plan import folds_of
from radsweep.sweep.preflight import possible_trials
from radsweep.sweep.progress import Console
from radsweep.sweep.reach import check_nodes, places_of, settled
from radsweep.sweep.searched import check_search
from radsweep.sweep.sources import Preparations, check_shards, check_sizes, dataset_folder
from radsweep.sweep.store import Store
from radsweep.sweep.tasks import check_tasks
from radsweep.training.record import PlannedCell, SweepRecord


@dataclass(frozen=True)
class Opened:
    experiment: Experiment  # `data.source` says which, from here on
    base: Trial
    shards: ShardIndex
    preparations: Preparations
    room: cluster.Room  # of the base trial
    arms: Mapping[str, cluster.Room]

    def room_of(self, cell: PlannedCell) -> cluster.Room:
        return self.arms.get(cell.arm, self.room)

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
    if base.data.folds:  # what the manifest could not tell
        check_sizes(
            possible_trials(experiment), where, lambda trial: len(preparations.shards_of(trial).splits["train"])
        )
    experiment = settled(experiment, shards, where, previous.experiment["data"].get("source") if previous else None)
    base = experiment.trial()
    check_nodes(store.root, places_of(experiment, shards.folder), where)
    for values in folds_of(base):
        check_tasks(
            base.evaluate,
            preparations.shards_of(trial_with(base, values)),
            "test",
            base.data.source == "streamed",
            where,
        )
    room, rooms = cluster.rooms(experiment)
    if experiment.search is not None:
        pairs = subset_size(len(shards.splits["train"]), base.data.pairs, base.data.fraction)
        check_search(experiment.search, pairs, room.gpus, where)
    return Opened(experiment, base, shards, preparations, room, rooms)
