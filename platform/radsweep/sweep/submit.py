"""A sweep sent from a laptop to a Ray cluster as a job: code and experiment file travel, data does not."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import radsweep
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import load_experiment
from radsweep.sweep.head import connected

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

STOP_WITHIN = "300"  # seconds that `stop` gives a sweep: more than its trials have to save; Ray's own are 3

# What jobs/sweep.py of a checkout does
ENTRY = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "platform"))
from radsweep.cli import main

sys.argv.insert(1, "{command}")
main()
"""


def submit(
    experiment: Path,
    changes: Sequence[str],
    address: str,
    token: str | None = None,
    follow: bool = True,
    resume: bool = False,
) -> int:
    """Run `experiment` as a job on the cluster whose dashboard is at `address`; returns an exit code.

    With `follow` the job's output goes to standard output until it ends: 0 it succeeded, 1 it failed. Ctrl-C detaches
    (0) and the job goes on. Messages of our own go to standard error.

    Raises:
        InputError: a wrong experiment file, an unreachable head, a missing or wrong token. Nothing was submitted.
    """
    checked = load_experiment(experiment, changes)
    _warn_of_local_data(checked)
    client = connected(address, token)
    with tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        job = client.submit_job(
            entrypoint=stage(Path(folder), experiment, changes, resume),
            runtime_env={"working_dir": folder, "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": STOP_WITHIN}},
            metadata={"experiment": checked.experiment},
        )
    print(f"submitted {checked.experiment} as job {job}", file=sys.stderr)
    if not follow:
        print(_way_back(job, address), file=sys.stderr)
        return 0
    return follow_job(client, job, address)


def stage(folder: Path, experiment: Path, changes: Sequence[str], resume: bool = False) -> str:
    """Put the package, its entry point and the experiment file into `folder`; returns the job's command."""
    command = stage_code(folder, "sweep")
    inside = not experiment.is_absolute() and ".." not in experiment.parts
    name = PurePosixPath(experiment if inside else PurePosixPath("search_spaces") / experiment.name)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(experiment, folder / name)
    options = [part for change in changes for part in ("--set", change)]
    return shlex.join([*command, str(name), *options, *(["--resume"] if resume else [])])


def stage_code(folder: Path, command: str) -> list[str]:
    """Put the package and the entry point of one of its commands into `folder`; returns the start of a command line."""
    source = Path(radsweep.__file__).parent
    shutil.copytree(source, folder / "platform" / "radsweep", ignore=shutil.ignore_patterns("__pycache__"))
    entry = folder / "jobs" / f"{command}.py"
    entry.parent.mkdir()
    entry.write_text(ENTRY.format(command=command), encoding="utf-8")
    return ["python", f"jobs/{command}.py"]


def _warn_of_local_data(experiment: Experiment) -> None:
    shards = experiment.data.shards
    if "://" not in shards and not shards.startswith("phantom:") and not Path(shards).is_absolute():
        print(
            f"warning: data.shards {shards} is relative, and is read on the cluster, where no data is uploaded; "
            "give s3://..., phantom:NAME or a path that all nodes share",
            file=sys.stderr,
        )


def follow_job(client: JobSubmissionClient, job: str, address: str) -> int:
    """Print a job's output until it ends; the exit code of `submit`."""
    try:
        asyncio.run(_print_logs(client, job))
    except KeyboardInterrupt:
        print(f"\ndetached; the job goes on. {_way_back(job, address)}", file=sys.stderr)
        return 0
    except Exception as error:  # a laptop that slept, a tunnel that broke
        print(f"lost the connection ({type(error).__name__}). {_way_back(job, address)}", file=sys.stderr)
        return 1
    info = client.get_job_info(job)
    if not info.status.is_terminal():
        print(f"the log ended before the job. {_way_back(job, address)}", file=sys.stderr)
        return 1
    print(f"job {job} {info.status.value.lower()}", file=sys.stderr)
    return 0 if info.status.value == "SUCCEEDED" else 1


async def _print_logs(client: JobSubmissionClient, job: str) -> None:
    async for lines in client.tail_job_logs(job):
        print(lines, end="", flush=True)


def _way_back(job: str, address: str) -> str:
    return f"Its log: radsweep logs {job} --address {address}\nEnd it: radsweep stop {job} --address {address}"
