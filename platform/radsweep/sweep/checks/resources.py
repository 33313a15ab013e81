"""Check that the cluster has room for the trials and the search that an experiment asks for."""

from __future__ import annotations

from radsweep.cluster.capacity import Capacity, capacities
from radsweep.config.experiment import Experiment
from radsweep.config.search import Search
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.subsets import subset_size
from radsweep.errors import InputError


def check_capacity(experiment: Experiment, shards: ShardIndex) -> tuple[Capacity, dict[str, Capacity]]:
    """As `capacities`, and check that a search fits in what is there; `data.source` is decided.

    Raises:
        InputError: what can never be had.
    """
    capacity, of_arms = capacities(experiment)
    if experiment.search is not None:
        data = experiment.data
        pairs = subset_size(len(shards.splits["train"]), data.pairs, data.fraction)
        check_search(experiment.search, pairs, capacity.gpus)
    return capacity, of_arms


def check_search(search: Search, pairs: int, gpus: float) -> None:
    """Refuse what only the data and the cluster can tell.

    Args:
        pairs: training studies of the base trial.
        gpus: that a slot holds.

    Raises:
        InputError: names the key.
    """
    if search.gpu_hours is not None and not gpus:
        raise InputError("trials have no GPU here; set search.slot_hours instead", key="search.gpu_hours")
    if search.fidelity == "pairs" and len(search.sizes(pairs)) == 1:
        raise InputError(
            f"no smaller size below {pairs:,} pairs has {search.min_pairs:,} or more and enough trials; lower "
            "search.min_pairs or search.reduction_factor, or set more trials than search.reduction_factor",
            key="search.fidelity",
        )
