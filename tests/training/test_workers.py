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
from support.synthetic import CASES, measured_metrics, one_step


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


def test_metrics_do_not_depend_on_how_many_are_embedded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured_metrics(Workers())
    monkeypatch.setattr("radsweep.training.embedder.ROWS", 5)
    assert measured_metrics(Workers()) == pytest.approx(whole, abs=1e-9)


PARTS = [
    "infonce", "local", "views", "text ssl", "simcse", "neighbours", "same report", "same report, other terms",
    "similar report, same patient", "soft targets by reports", "views of one modality", "frozen batch norm",
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
