"""Check that the cluster has the resources for the trials and the search of an experiment."""

from __future__ import annotations

import torch

from radsweep.cluster.trial_capacity import Capacity, capacities
from radsweep.config.experiment import Experiment
from radsweep.config.search import Search
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.subsets import subset_size
from radsweep.errors import InputError
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.training.precision import precision_for


def check_capacity(experiment: Experiment, shards: ShardIndex) -> tuple[Capacity, dict[str, Capacity]]:
    """Return `capacities`, and check that a search fits data and cluster. `data.source` must be decided.

    Raises:
        InputError: the cluster does not have the resources.
    """
    capacity, of_arms = capacities(experiment)
    if experiment.search is not None:
        data = experiment.data
        pairs = subset_size(len(shards.splits["train"]), data.pairs, data.fraction)
        check_search(experiment.search, pairs, capacity.gpus)
    check_precision(experiment, {capacity.device, *(of_arm.device for of_arm in of_arms.values())})
    return capacity, of_arms


def check_precision(experiment: Experiment, devices: set[str]) -> None:
    """Refuse a precision that no device here has. What a GPU computes in is only known on its node.

    Args:
        devices: those of all arms, cpu or cuda.

    Raises:
        InputError: the error names the key.
    """
    if devices == {"cpu"}:
        for precision in {trial.train.precision for trial in possible_trials(experiment)}:
            precision_for(precision, torch.device("cpu"))


def check_search(search: Search, pairs: int, gpus: float) -> None:
    """Refuse settings of a search that do not fit the data or the cluster.

    Args:
        pairs: training studies of the base trial.
        gpus: GPUs that a slot reserves.

    Raises:
        InputError: the error names the key.
    """
    if search.gpu_hours is not None and not gpus:
        raise InputError("trials have no GPU here; set search.slot_hours instead", key="search.gpu_hours")
    if search.fidelity == "pairs" and len(search.sizes(pairs)) == 1:
        raise InputError(
            f"no size below {pairs:,} pairs has at least {search.min_pairs:,} pairs and enough trials; lower "
            "search.min_pairs or search.reduction_factor, or set more trials than search.reduction_factor",
            key="search.fidelity",
        )
