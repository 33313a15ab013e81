"""Number of trials that fit on a cluster, and bytes of its object stores."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from radsweep.cluster import trial_capacity
from radsweep.cluster.trial_capacity import Capacity, Node, capacity_in, nodes
from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.run import Run
from radsweep.config.trial import Trial
from radsweep.errors import InputError

TRIAL = Trial(data=Data(shards="none"))
TWO = trial_with(TRIAL, {"train.workers": 2})
STREAMED = trial_with(TRIAL, {"data.source": "streamed"})


@pytest.mark.parametrize(
    ("nodes", "run", "trial", "arm", "expected"),
    [
        ([Node(8, 0)], {}, TRIAL, "", Capacity(8, 1, 1, 0)),
        ([Node(8, 0)], {"cpus_per_worker": 3}, TRIAL, "", Capacity(2, 1, 3, 0)),
        ([Node(8, 2)], {}, TRIAL, "", Capacity(2, 1, 1, 1)),
        ([Node(8, 2)], {"gpus_per_worker": 0.25}, TRIAL, "", Capacity(8, 1, 1, 0.25)),
        ([Node(16, 2)], {"gpus_per_worker": 0.3}, TRIAL, "", Capacity(6, 1, 1, 0.3)),
        ([Node(16, 2)], {"gpus_per_worker": 0.4}, TRIAL, "", Capacity(4, 1, 1, 0.4)),
        ([Node(16, 4)], {}, TWO, "", Capacity(2, 2, 1, 1)),
        ([Node(8, 2)], {"gpus_per_worker": 0}, TRIAL, "", Capacity(8, 1, 1, 0)),
        (
            [Node(16, 4)],
            {"gpus_per_worker": 0.25, "needs": {"big": {"gpus_per_worker": 1}}},
            TWO,
            "big",
            Capacity(2, 2, 1, 1),
        ),
        (
            [Node(16, 4)],
            {"gpus_per_worker": 0.25, "needs": {"big": {"gpus_per_worker": 1}}},
            TRIAL,
            "",
            Capacity(16, 1, 1, 0.25),
        ),
        ([Node(16, 0)], {"slots": 8, "needs": {"big": {"cpus_per_worker": 4}}}, TRIAL, "big", Capacity(4, 1, 4, 0)),
        ([Node(3), Node(3)], {"cpus_per_worker": 2}, TRIAL, "", Capacity(2, 1, 2, 0)),
        ([Node(3), Node(3)], {"cpus_per_worker": 2}, TWO, "", Capacity(1, 2, 2, 0)),
        ([Node(2, 4), Node(64)], {}, TRIAL, "", Capacity(2, 1, 1, 1)),
        ([Node(8, 1), Node(8, 1)], {"gpus_per_worker": 0.4}, TRIAL, "", Capacity(4, 1, 1, 0.4)),
        ([Node(8)], {}, STREAMED, "", Capacity(7, 1, 1, 0)),
        ([Node(4), Node(3)], {"cpus_per_worker": 2}, STREAMED, "", Capacity(3, 1, 2, 0)),
        ([Node(2, 2), Node(1)], {}, STREAMED, "", Capacity(2, 1, 1, 1)),
        ([Node(0), Node(1)], {"cpus_per_worker": 0.1}, TRIAL, "", Capacity(10, 1, 0.1, 0)),
        ([Node(16, 0)], {"slots": 3, "needs": {"big": {"cpus_per_worker": 4}}}, TRIAL, "big", Capacity(3, 1, 4, 0)),
    ],
)
def test_capacity(nodes: list[Node], run: dict, trial: Trial, arm: str, expected: Capacity) -> None:
    assert capacity_in(nodes, Run.model_validate(run), trial, arm) == expected


def test_one_and_a_half_gpus_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"1\.5: a part of one GPU, or a whole number"):
        Run.model_validate({"gpus_per_worker": 1.5})
    assert Run.model_validate({"gpus_per_worker": 2}).gpus_per_worker == 2


@pytest.mark.parametrize(
    ("nodes", "run", "trial", "arm", "message"),
    [
        ([Node(1, 0)], {}, TWO, "", "needs 2 x 1 CPUs"),
        ([Node(1, 0)], {}, TWO, "big", "a trial of big needs 2 x 1 CPUs"),
        ([Node(8, 1)], {"gpus_per_worker": 2}, TRIAL, "", "1 x 2 GPUs"),
        ([Node(4), Node(4)], {"cpus_per_worker": 6}, TRIAL, "", "room for 0 such workers, and its largest node 4 CPUs"),
        ([Node(9), Node(4, 1), Node(4, 1)], {"gpus_per_worker": 2}, TRIAL, "", "largest node 4 CPUs and 1 GPUs"),
        ([Node(3), Node(3)], {"cpus_per_worker": 2}, trial_with(TRIAL, {"train.workers": 4}), "", "for 2 such workers"),
        ([Node(1)], {}, STREAMED, "", "plus one CPU for data.source streamed"),
        ([], {}, TRIAL, "", "largest node 0 CPUs"),
        ([Node(8, 2)], {"gpus_per_worker": 0.5}, TWO, "", "cannot share a GPU"),
        ([Node(8, 2)], {"slots": 3}, TRIAL, "", "run.slots: the cluster has room for 2 slots, not 3"),
        (
            [Node(8, 0)],
            {"needs": {"big": {"gpus_per_worker": 1}}},
            TRIAL,
            "big",
            "run.needs.big: either all trials of a sweep run on GPUs",
        ),
    ],
)
def test_trials_that_can_never_fit_are_refused(
    nodes: list[Node], run: dict, trial: Trial, arm: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        capacity_in(nodes, Run.model_validate(run), trial, arm)


def test_nodes_are_those_that_are_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    message = [{"Alive": alive, "Resources": {"CPU": 4.0, "GPU": 1.0}} for alive in (True, False)]
    monkeypatch.setattr(ray, "nodes", lambda: [*message, {"Alive": True, "Resources": {}}])
    assert nodes() == [Node(4, 1), Node(0, 0)]


def test_the_object_store_is_the_smallest_of_nodes_that_run_trials() -> None:
    nodes = [Node(2, 0, 1), Node(8, 1, 5), Node(8, 1, 3), Node(0, 0, 2)]
    assert trial_capacity.object_store(nodes, Run()) == 3, "trials only run on GPUs"
    assert trial_capacity.object_store(nodes, Run(gpus_per_worker=0)) == 1
    assert trial_capacity.object_store(nodes, Run(cpus_per_worker=3, gpus_per_worker=0)) == 3
    assert trial_capacity.object_store([], Run()) == 0
