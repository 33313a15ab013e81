"""Sweeps that run as jobs on a cluster: list, follow and stop them, and fetch their reports to a laptop."""

from __future__ import annotations

import base64
import io
import re
import shlex
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsweep.cluster.job_client import send_job
from radsweep.cluster.job_files import copy_code
from radsweep.cluster.submit import follow_job
from radsweep.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

BEGIN, END = "--- report of a sweep, zip in base64 ---", "--- end of it ---"
WIDTH = 120  # characters of a line of base64
POLL = 1.0  # seconds between two looks at a job


def list_jobs(client: JobSubmissionClient) -> list[dict[str, Any]]:
    """List the jobs of radsweep, the latest last: id, experiment, status, start and end in seconds of the epoch."""
    found = [
        {
            "job": job.submission_id,
            "experiment": (job.metadata or {})["experiment"],
            "status": job.status.value.lower(),
            "started": (job.start_time or 0) / 1000,
            "ended": (job.end_time or 0) / 1000 or None,
        }
        for job in client.list_jobs()
        if job.submission_id and "experiment" in (job.metadata or {})
    ]
    return sorted(found, key=lambda one: one["started"])


def job_id(client: JobSubmissionClient, name: str) -> str:
    """Return a job's id, whoever submitted it, or that of the latest job of an experiment of that name.

    Raises:
        InputError: no such job exists.
    """
    if _is_job(client, name):
        return name
    jobs = list_jobs(client)
    for one in reversed(jobs):
        if one["experiment"] == name:
            return str(one["job"])
    known = ", ".join(f"{one['job']} ({one['experiment']})" for one in jobs[-5:]) or "none"
    raise InputError(f"no job {name!r} on this cluster; the latest are: {known}")


def _is_job(client: JobSubmissionClient, name: str) -> bool:
    return any(job.submission_id == name for job in client.list_jobs())


def show_log(client: JobSubmissionClient, name: str, address: str, follow: bool) -> int:
    """Print a job's output from its start; with `follow` until it ends. Return an exit code as `submit` does."""
    job = job_id(client, name)
    if follow:
        return follow_job(client, job, address)
    print(client.get_job_logs(job), end="")
    return 0


def stop(client: JobSubmissionClient, name: str) -> str:
    """Stop a job, whose running trials save checkpoints first, and return its id."""
    job = job_id(client, name)
    status = client.get_job_status(job)
    if status.is_terminal():
        raise InputError(f"{job} has ended already ({status.value.lower()})")
    client.stop_job(job)
    return job


def fetch(client: JobSubmissionClient, name: str, out: Path, store: str | None = None) -> Path:
    """Fetch the report of a sweep from the cluster's store into a new folder, and return the path of its page.

    A small job reads it there and prints it, so only the head's dashboard has to be reachable.

    Args:
        name: name of a job, an experiment or a sweep.
        store: path on the cluster; if None, RADSWEEP_STORE or ~/radsweep there.

    Raises:
        InputError: `out` exists, or the sweep or its report does not.
    """
    if out.exists():
        raise InputError(f"{out} already exists; give another folder, or remove it")
    sweep = _sweep_of(client, name)
    with tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        command = [*copy_code(Path(folder), "bundle"), sweep, *(["--store", store] if store else [])]
        job = send_job(client, entrypoint=shlex.join(command), runtime_env={"working_dir": folder})
    try:
        while not client.get_job_status(job).is_terminal():
            time.sleep(POLL)
        lines = client.get_job_logs(job).splitlines()
    finally:
        with suppress(Exception):  # it still runs, or the head is unreachable
            client.delete_job(job)
    if BEGIN not in lines or END not in lines:
        errors = [line.removeprefix("radsweep: ") for line in lines if line.startswith("radsweep: ")] or lines[-3:]
        raise InputError(f"the job sent no report of {sweep}: {' '.join(errors)}")
    packed = base64.b64decode("".join(lines[lines.index(BEGIN) + 1 : lines.index(END)]))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(out)
    return out / "report.html"


def _sweep_of(client: JobSubmissionClient, name: str) -> str:
    """Return the sweep that a job ran, from its log; any other name is that of a sweep or an experiment."""
    if not _is_job(client, name):
        return name
    found = re.search(r"^Sweep: (\S+);", client.get_job_logs(name), re.MULTILINE)
    if found is None:
        raise InputError(f"{name} has not started its sweep yet; check `radsweep logs {name}`")
    return found[1]


def print_bundle(report: Path) -> None:
    """Print a report's folder for `fetch` to standard output, without the winner's checkpoint."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(report.rglob("*")):
            if file.is_file() and "winner" not in file.relative_to(report).parts:
                archive.write(file, file.relative_to(report))
    text = base64.b64encode(packed.getvalue()).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    sys.stdout.write("\n".join(["", BEGIN, *lines, END, ""]))
