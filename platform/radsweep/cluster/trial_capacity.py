"""Number of trials that fit on the cluster at once, and what each worker reserves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.run import Needs, Run
from radsweep.config.trial import Trial
from radsweep.errors import InputError

ROUNDING = 1e-9


class Node(NamedTuple):
    """Resources of one machine of the cluster."""

    cpus: float
    gpus: float = 0.0
    store: float = 0.0  # bytes of its object store

    def holds(self, cpus: float, gpus: float) -> int:
        """Number of workers that fit if each reserves this much."""
        fitting = int(self.cpus / cpus + ROUNDING)
        if gpus:  # a worker's share of a GPU is on one GPU
            fitting = min(fitting, int(self.gpus) * int(1 / gpus + ROUNDING) if gpus < 1 else int(self.gpus // gpus))
        return max(fitting, 0)


@dataclass(frozen=True)
class Capacity:
    """Number of slots that fit, and what each worker of a slot reserves."""

    slots: int
    workers: int
    cpus: float
    gpus: float

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @property
    def resources(self) -> dict[str, float]:
        return {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})


def nodes() -> list[Node]:
    """List the live nodes of the cluster; nodes that an autoscaler may add later are not included."""
    import ray

    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(*(has.get(name, 0.0) for name in ("CPU", "GPU", "object_store_memory"))) for has in resources]


def object_store(nodes: Sequence[Node], run: Run) -> float:
    """Bytes of the smallest object store among the nodes that may run trials: each node holds all decoded images."""
    reserved = [_reserved(nodes, run, arm) for arm in ("", *run.needs)]
    able = [node for node in nodes if any(node.holds(*each) for each in reserved)]
    return min((node.store for node in able or nodes), default=0.0)


def capacities(experiment: Experiment) -> tuple[Capacity, dict[str, Capacity]]:
    """Return how many trials fit at once: base trials, and those of each arm.

    Raises:
        InputError: not even one fits; Ray would wait forever.
    """
    found = nodes()
    of = capacities_of_arms(found, experiment)
    return capacity_in(found, experiment.run, experiment.trial()), of


def capacities_of_arms(nodes: Sequence[Node], experiment: Experiment) -> dict[str, Capacity]:
    """Return the capacity of each arm; raises as `capacities`."""
    base = experiment.trial()
    arms = experiment.ablation.designed_arms(base) if experiment.ablation else {}
    return {arm: capacity_in(nodes, experiment.run, trial_with(base, made), arm) for arm, made in arms.items()}


def capacity_in(nodes: Sequence[Node], run: Run, trial: Trial, arm: str = "") -> Capacity:
    """Return the capacity for one trial. `run.slots` is exact for the base trial and a maximum for an arm.

    Workers of a trial may be on several nodes, each of them on one. A slot and the driver reserve nothing.
    """
    workers = trial.train.workers
    per_cpu, per_gpu = _reserved(nodes, run, arm)
    trials = f"a trial of {arm}" if arm else "a trial"
    if bool(per_gpu) != bool(_reserved(nodes, run)[1]):
        raise InputError(
            "either all trials of a sweep run on GPUs, or none do; set run.gpus_per_worker",
            key=f"run.needs.{arm}",
        )
    if workers > 1 and 0 < per_gpu < 1:
        raise InputError(
            f"{trials} has {workers} workers with {per_gpu:g} of a GPU each, but workers of one trial cannot share a "
            "GPU (NCCL); set train.workers to 1, or gpus_per_worker to 1",
            key="run",
        )
    streamed = trial.data.source == "streamed"
    held = _held(nodes, per_cpu, per_gpu, streamed)
    fitting = held // workers
    if fitting < 1:
        largest = max(nodes, key=lambda node: (node.gpus if per_gpu else 0, node.cpus), default=Node(0))
        besides = ", plus one CPU for data.source streamed" if streamed else ""
        raise InputError(
            f"{trials} needs {workers} x {per_cpu:g} CPUs and {workers} x {per_gpu:g} GPUs, each on one node{besides}; "
            f"the cluster has room for {held} such workers, and its largest node {largest.cpus:g} CPUs and "
            f"{largest.gpus:g} GPUs; lower train.workers, run.cpus_per_worker or run.gpus_per_worker",
            key="run",
        )
    if not arm and run.slots and run.slots > fitting:
        raise InputError(f"the cluster has room for {fitting} slots, not {run.slots}; lower run.slots", key="run.slots")
    return Capacity(min(run.slots or fitting, fitting), workers, per_cpu, per_gpu)


def _reserved(nodes: Sequence[Node], run: Run, arm: str = "") -> tuple[float, float]:
    """CPUs and GPUs that a worker reserves."""
    needs = run.needs.get(arm, Needs())
    standard = run.gpus_per_worker if run.gpus_per_worker is not None else float(any(node.gpus for node in nodes))
    return needs.cpus_per_worker or run.cpus_per_worker, needs.gpus_per_worker or standard


def _held(nodes: Sequence[Node], cpus: float, gpus: float, streamed: bool) -> int:
    """Number of workers that fit. If images are streamed, one CPU is left to Ray Data."""
    held = [node.holds(cpus, gpus) for node in nodes]
    if not streamed:
        return sum(held)
    lost = [
        full - node._replace(cpus=node.cpus - 1).holds(cpus, gpus)
        for node, full in zip(nodes, held, strict=True)
        if node.cpus >= 1
    ]
    return sum(held) - min(lost) if lost else 0
