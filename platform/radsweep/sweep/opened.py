"""What a sweep needs before it can plan: its data read and checked, and the room that the cluster has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radsweep.data.decode import ShardIndex, read_index
from radsweep.data.schema import SPLITS
from radsweep.data.subsets import subset_size
from radsweep.errors import InputError
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Trial
from radsweep.sweep import cluster
from radsweep.sweep.estimate import work
from radsweep.sweep.identity import cell_key
from radsweep.sweep.plan import cell_trial, folds_of
from radsweep.sweep.preflight import possible_trials
from radsweep.sweep.progress import Console
from radsweep.sweep.reach import check_nodes, check_room
from radsweep.sweep.searched import check_search
from radsweep.sweep.sources import Preparations, check_shards, check_sizes, dataset_folder, source_for
from radsweep.sweep.store import Store
from radsweep.sweep.tasks import check_tasks
from radsweep.training.record import PlannedCell


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

    def work_of(self, cell: PlannedCell) -> float:
        trial = cell_trial(self.base, cell)
        return work(trial, len(self.preparations.shards_of(trial).splits["train"]))

    def key_of(self, trial: Trial) -> str:
        return cell_key(trial, self.shards.manifest.fingerprint, self.room.device)


def open_data(experiment: Experiment, where: str, store: Store, console: Console) -> Opened:
    """Read the data set (a phantom is made where it is not there yet) and check what only data and cluster can tell.

    Args:
        where: the experiment file, for messages.

    Raises:
        InputError: what a user can put right.
    """
    base = experiment.trial()
    shards = read_index(dataset_folder(base.data.shards, store, console), () if base.data.folds else SPLITS)
    check_shards(shards)
    preparations = Preparations(shards, store, console)
    trials = list(possible_trials(experiment))
    if base.data.folds:  # what the manifest could not tell
        check_sizes(trials, where, lambda trial: len(preparations.shards_of(trial).splits["train"]))
    if base.data.source == "cached" or base.data.folds:
        check_room(trials, shards, cluster.object_store(), where)
    if base.data.source == "auto":  # from here on it says which: the order within an epoch differs
        source = source_for(trials, shards, cluster.object_store())
        experiment = experiment.model_copy(update={"data": base.data.model_copy(update={"source": source})})
        base = experiment.trial()
    streamed = base.data.source == "streamed"
    if streamed and any(trial.adapt.image.method != "none" for trial in trials):
        raise InputError(
            f"{where}: adapt.image: its images have to fit the object store, and they are streamed here; set "
            "data.source to cached, model.image.size lower, or adapt.image.method to none"
        )
    sets = [("evaluate.sets", folder) for folder in base.evaluate.sets]
    check_nodes(store.root, [("data.shards", shards.folder), *sets], where)
    for values in folds_of(base):
        check_tasks(base.evaluate, preparations.shards_of(trial_with(base, values)), "test", streamed, where)
    room, rooms = cluster.rooms(experiment)
    if experiment.search is not None:
        pairs = subset_size(len(shards.splits["train"]), base.data.pairs, base.data.fraction)
        check_search(experiment.search, pairs, room.gpus, where)
    return Opened(experiment, base, shards, preparations, room, rooms)
