"""Set up a sweep: read and check its data, and find how many trials fit on the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radsweep.cluster.node_files import check_nodes
from radsweep.cluster.trial_capacity import Capacity
from radsweep.config.experiment import Experiment
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data.loading.decode import ShardIndex, read_index
from radsweep.data.shards.schema import SPLITS
from radsweep.store.records import PlannedCell, SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.checks.data import check_evaluation, check_folds, check_reports_and_labels
from radsweep.sweep.checks.memory import decide_source
from radsweep.sweep.checks.paths import places_of
from radsweep.sweep.checks.resources import check_capacity
from radsweep.sweep.checks.selection_metric import check_selection
from radsweep.sweep.checks.techniques import check_techniques
from radsweep.sweep.design.planned_trials import cell_trial
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.forecast.durations import work
from radsweep.sweep.identity.cell_key import cell_key
from radsweep.sweep.preparation.dataset import check_shards, dataset_folder
from radsweep.sweep.preparation.prepare import Preparations


@dataclass(frozen=True)
class Setup:
    experiment: Experiment  # with `data.source` decided
    base: Trial
    shards: ShardIndex
    preparations: Preparations
    capacity: Capacity  # of the base trial
    arms: Mapping[str, Capacity]

    def capacity_of(self, cell: PlannedCell) -> Capacity:
        return self.arms.get(cell.arm, self.capacity)

    def work_of(self, cell: PlannedCell) -> float:
        trial = cell_trial(self.base, cell)
        return work(trial, len(self.preparations.shards_of(trial).splits["train"]))

    def key_of(self, trial: Trial) -> str:
        return cell_key(trial, self.shards.manifest.fingerprint, self.capacity.device)


def open_data(experiment: Experiment, store: Store, console: Console, previous: SweepRecord | None = None) -> Setup:
    """Read the data set (a missing phantom is created) and check the experiment against data and cluster.

    Args:
        previous: the sweep that is resumed.

    Raises:
        InputError: a mistake that a user can correct.
    """
    base = experiment.trial()
    shards = read_index(dataset_folder(base.data.shards, store, console), () if base.data.folds else SPLITS)
    check_shards(shards)
    preparations = Preparations(shards, store, console)
    check_folds(experiment, preparations)
    trials = list(possible_trials(experiment))
    check_reports_and_labels(trials, shards)
    check_techniques(experiment, trials, preparations.shards_of)
    for note in check_selection(experiment, trials, preparations.shards_of):
        console.say(note)
    began = previous.plan.data.source if previous and previous.plan else None
    experiment = decide_source(experiment, shards, began)
    check_nodes(store.root, places_of(experiment, shards.folder))
    check_evaluation(experiment, preparations)
    capacity, capacities = check_capacity(experiment, shards)
    return Setup(experiment, experiment.trial(), shards, preparations, capacity, capacities)
