"""Jobs of a cluster, seen from a laptop. Ray's client is a stand-in that runs entry points here."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.job_submission import JobStatus

from radsweep.cluster import jobs
from radsweep.errors import InputError
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store


class Client:
    """Client with two sweeps and a foreign job; submitted jobs run at once."""

    def __init__(self) -> None:
        self.jobs = [
            SimpleNamespace(submission_id=f"raysubmit_{n}", metadata=told, status=status, start_time=n, end_time=None)
            for n, told, status in (
                (2, {"experiment": "mine"}, JobStatus.RUNNING),
                (1, {"experiment": "mine"}, JobStatus.SUCCEEDED),
                (3, {}, JobStatus.RUNNING),
            )
        ]
        self.output: dict[str, str] = {"raysubmit_2": "trial 1 of 2\n"}
        self.stopped: list[str] = []

    def list_jobs(self) -> list[Any]:
        return self.jobs

    def get_job_status(self, job: str) -> JobStatus:
        return next((one.status for one in self.jobs if one.submission_id == job), JobStatus.SUCCEEDED)

    def get_job_info(self, job: str) -> Any:
        return SimpleNamespace(status=self.get_job_status(job))

    def get_job_logs(self, job: str) -> str:
        return self.output[job]

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        yield self.output[job]

    def stop_job(self, job: str) -> None:
        self.stopped.append(job)

    def delete_job(self, job: str) -> None:
        self.output.pop(job)

    def submit_job(self, entrypoint: str, runtime_env: dict[str, str]) -> str:
        command = [sys.executable, *shlex.split(entrypoint)[1:]]
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        ran = subprocess.run(command, cwd=runtime_env["working_dir"], env=own, capture_output=True, text=True)
        self.output["raysubmit_4"] = f"2026-11-26 some line of Ray's\n{ran.stdout}{ran.stderr}"
        return "raysubmit_4"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a finished sweep and its report."""
    monkeypatch.setenv("RADSWEEP_STORE", str(tmp_path / "store"))
    place = Store(tmp_path / "store")
    plain = {"id": "mine-1", "name": "mine", "kind": "ablation", "experiment": {}, "select": "val/x", "cells": ()}
    record = SweepRecord.model_validate(plain)
    place.write_sweep(record)
    folder = place.report_folder(record)
    (folder / "winner").mkdir(parents=True)
    (folder / "report.html").write_text("<html>é</html>", encoding="utf-8")
    (folder / "picture.png").write_bytes(bytes(range(256)) * 50)
    (folder / "winner" / "model.safetensors").write_bytes(b"large")
    return place


def test_jobs_of_radsweep_are_listed_and_found_by_id_or_name() -> None:
    client: Any = Client()
    assert [(one["job"], one["status"]) for one in jobs.list_jobs(client)] == [
        ("raysubmit_1", "succeeded"),
        ("raysubmit_2", "running"),
    ]
    assert jobs.job_id(client, "mine") == "raysubmit_2"
    assert jobs.job_id(client, "raysubmit_1") == "raysubmit_1"
    assert jobs.job_id(client, "raysubmit_3") == "raysubmit_3"  # sent with Ray's own client
    with pytest.raises(InputError, match=r"no job 'other'.*raysubmit_2 \(mine\)"):
        jobs.job_id(client, "other")


def test_a_log_is_followed_and_a_job_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    client: Any = Client()
    assert jobs.show_log(client, "mine", "http://head", follow=False) == 0
    assert jobs.show_log(client, "mine", "http://head", follow=True) == 1  # it still runs: the log broke off
    told = capsys.readouterr()
    assert told.out == "trial 1 of 2\n" * 2
    assert "radsweep logs raysubmit_2 --address http://head" in told.err
    assert jobs.stop(client, "mine") == "raysubmit_2"
    assert client.stopped == ["raysubmit_2"]
    with pytest.raises(InputError, match="has ended already"):
        jobs.stop(client, "raysubmit_1")


def test_a_report_is_fetched_as_it_is_on_the_cluster_without_the_checkpoint(store: Store, tmp_path: Path) -> None:
    client: Any = Client()
    with pytest.raises(InputError, match="raysubmit_2 has not started its sweep yet"):
        jobs.fetch(client, "raysubmit_2", tmp_path / "mine")
    client.output["raysubmit_2"] = "Sweep: mine-1; progress: radsweep status\n"
    newer = store.read_sweep("mine-1").model_copy(update={"id": "mine-2", "created": "2027"})
    store.write_sweep(newer)  # a job's report is that of its own sweep
    page = jobs.fetch(client, "raysubmit_2", tmp_path / "mine")
    there = store.root / "sweeps" / "mine-1" / "report"
    assert page == tmp_path / "mine" / "report.html"
    assert {file.name: file.read_bytes() for file in page.parent.iterdir()} == {
        name: (there / name).read_bytes() for name in ("report.html", "picture.png")
    }
    with pytest.raises(InputError, match="already exists"):
        jobs.fetch(client, "mine", tmp_path / "mine")
    with pytest.raises(InputError, match="no sweep 'other' in the store"):
        jobs.fetch(client, "other", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    (there / "report.html").unlink()
    with pytest.raises(InputError, match="mine-1 has no report yet"):
        jobs.fetch(client, "mine-1", tmp_path / "other", str(store.root))
