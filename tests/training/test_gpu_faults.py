"""A GPU that a trial leaves unusable, or full, is no trial's result; what a trial held is given back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radsweep.store.records import CellRecord
from radsweep.training import trainer
from radsweep.training.context import RunContext
from radsweep.training.gpu_faults import in_one_line
from radsweep.training.runner import run_cell
from radsweep.training.task import Task
from support.synthetic import synthetic_data, synthetic_trial

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
LOST = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    FULL,
]


def cell(folder: Path, device: torch.device = CPU, **values: object) -> CellRecord:
    trial = synthetic_trial(**{"train.steps": 2, **values})
    task = Task("key", trial.model_dump(mode="json"), str(folder), "", False, "", {}, {})
    return run_cell(task, synthetic_data(), RunContext(device=device))


def raising(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def backward(*_: object) -> None:
        raise error

    monkeypatch.setattr(trainer, "backward", backward)


@pytest.mark.parametrize("error", LOST, ids=lambda error: str(error)[:20])
def test_an_error_that_leaves_the_gpu_unusable_ends_the_process_and_is_not_a_record(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(error, monkeypatch)
    with pytest.raises(type(error)):
        cell(tmp_path)


def test_a_gpu_that_no_longer_answers_is_lost_whatever_the_error_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed_assert(_: torch.device) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    def started(*_: object, **options: object) -> None:
        raise IndexError("index out of range")

    monkeypatch.setattr("radsweep.training.runner.train", started)
    assert cell(tmp_path).error == "IndexError: index out of range"  # of a CPU: the trial's own
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    assert cell(tmp_path, GPU).error == "IndexError: index out of range"
    monkeypatch.setattr(torch.cuda, "synchronize", failed_assert)
    with pytest.raises(IndexError):
        cell(tmp_path, GPU)


def test_a_full_gpu_is_reported_with_what_to_do() -> None:
    assert "lower train.batch_size" in in_one_line(FULL)


def test_what_a_trial_held_is_given_back_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given.append("back"))
    assert cell(tmp_path, GPU, **{"data.pairs": 33}).status == "failed"  # before anything is on the GPU
    assert given == ["back"]
    cell(tmp_path, CPU)
    assert given == ["back"]
