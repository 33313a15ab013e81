"""Several workers compute what one worker computes with the whole batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from radsweep.training.collectives import Workers
from support import synthetic
from support.processes import start, wait
from support.synthetic import CASES, measured_metrics, momentum_state, odd_sizes, one_step, scaled_step


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Losses and gradients of every case from 2 processes with half the batch each."""
    out = tmp_path_factory.mktemp("workers")
    processes = [start(synthetic.main, rank, 2, out, list(CASES)) for rank in range(2)]
    assert [wait(process) for process in processes] == [0, 0]
    return out


@pytest.mark.parametrize("case", CASES)
def test_two_workers_give_the_loss_and_every_gradient_of_one(case: str, two_workers: Path) -> None:
    torch.set_num_threads(1)
    loss, expected = one_step(case, Workers())
    assert json.loads((two_workers / f"{case}.json").read_text()) == pytest.approx(loss, abs=1e-9)
    found = np.load(two_workers / f"{case}.npz")
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-6, atol=1e-8, err_msg=name)


def test_two_workers_measure_what_one_does(two_workers: Path) -> None:
    torch.set_num_threads(1)
    found = json.loads((two_workers / "measured.json").read_text())
    assert found == pytest.approx(measured_metrics(Workers()), abs=1e-9)
    assert "test/linear_probe/100_percent/auroc" in found


ODD = [33, 41, 71]  # one batch; two of 21 and 20; 30, 21 and 20; and 4 to measure on, fewer than 5 workers


@pytest.fixture(scope="module")
def single() -> dict[str, dict[str, list[float]]]:
    torch.set_num_threads(1)
    return {str(studies): odd_sizes(Workers(), studies) for studies in ODD}


@pytest.mark.parametrize("world", [2, 3, 5])
def test_more_workers_than_studies_in_a_short_batch_give_the_numbers_of_one(
    world: int, single: dict[str, dict[str, list[float]]], tmp_path: Path
) -> None:
    """Row 12. Batches, losses, held-out loss and metrics; and each worker has the same."""
    processes = [start(synthetic.main_odd, rank, world, tmp_path, ODD) for rank in range(world)]
    assert [wait(process) for process in processes] == [0] * world
    every = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world)]
    for found in every:
        for studies, expected in single.items():
            for name, values in expected.items():
                assert found[studies][name] == pytest.approx(values, rel=1e-4, abs=1e-6), (studies, name)
    states = [found["moco"]["state"] for found in every]
    assert all(state == states[0] for state in states), "slow tower and queue are equal on all workers"
    assert states[0] == pytest.approx(momentum_state(Workers()), rel=1e-3, abs=1e-4)
    if "scaled" in every[0]:
        steps = [found["scaled"]["step"] for found in every]
        assert steps[0] == steps[1], "both skipped the step whose gradient overflowed on one of them"
        assert steps[0] == pytest.approx(scaled_step(Workers()), rel=1e-4, abs=1e-4)


def test_metrics_do_not_depend_on_how_many_are_embedded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured_metrics(Workers())
    monkeypatch.setattr("radsweep.training.embedder.ROWS", 5)
    assert measured_metrics(Workers()) == pytest.approx(whole, abs=1e-9)


PARTS = [
    "infonce", "local", "views", "text ssl", "simcse", "neighbours", "same report", "same report, other terms",
    "similar report, same patient", "soft targets by reports", "views of one modality", "frozen batch norm", "moco",
]  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
def test_a_batch_in_parts_has_the_gradient_of_the_whole(case: str) -> None:
    loss, expected = one_step(case, Workers())
    in_parts, found = one_step(case, Workers(), parts=3)
    assert in_parts == pytest.approx(loss, abs=1e-9)
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("total", [0, 1, 7, 32])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_cover_every_row_once(total: int, world: int) -> None:
    rows = [row for rank in range(world) for row in range(total)[Workers(rank, world).share(total)]]
    assert rows == list(range(total))
