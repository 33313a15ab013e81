"""A sweep sent from a laptop to a Ray cluster as a job: code and experiment file travel, data does not."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import radsweep
from radsweep.errors import InputError
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import load_experiment
from radsweep.sweep.tokens import find_token

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

ANSWER_WITHIN = 10.0  # seconds until a head counts as unreachable

_REACH = "is the head up, is this its dashboard's port (8265), is a tunnel needed?"
_REFUSALS = {
    401: "wants a token: put it into RAY_AUTH_TOKEN or ~/.ray/auth_token (mode 600); "
    "`ray get-auth-token` on the head prints it",
    403: "refuses the token: compare it with what `ray get-auth-token` prints on the head",
}

# What jobs/sweep.py of a checkout does, for an installed package that has no checkout
ENTRY = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "platform"))
from radsweep.cli import main

sys.argv.insert(1, "sweep")
main()
"""


def submit(
    experiment: Path, changes: Sequence[str], address: str, token: str | None = None, follow: bool = True
) -> int:
    """Run `experiment` as a job on the cluster whose dashboard is at `address`; returns an exit code.

    With `follow` the job's output goes to standard output until it ends: 0 it succeeded, 1 it failed. Ctrl-C detaches
    (0) and the job goes on. Messages of our own go to standard error.

    Raises:
        InputError: a wrong experiment file, an unreachable head, a missing or wrong token. Nothing was submitted.
    """
    checked = load_experiment(experiment, changes)
    _warn_of_local_data(checked)
    address = address.rstrip("/")
    headers = _authorisation(token or find_token())
    _check_head(address, headers)
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # the hook would upload the current folder
    from ray.job_submission import JobSubmissionClient

    client = JobSubmissionClient(address, headers=headers)
    with tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        job = client.submit_job(
            entrypoint=stage(Path(folder), experiment, changes),
            runtime_env={"working_dir": folder},
            metadata={"experiment": checked.experiment},
        )
    print(f"submitted {checked.experiment} as job {job}", file=sys.stderr)
    if not follow:
        print(_way_back(job, address, bool(headers)), file=sys.stderr)
        return 0
    return _follow(client, job, address, bool(headers))


def stage(folder: Path, experiment: Path, changes: Sequence[str]) -> str:
    """Put the package, its entry point and the experiment file into `folder`; returns the job's command."""
    source = Path(radsweep.__file__).parent
    shutil.copytree(source, folder / "platform" / "radsweep", ignore=shutil.ignore_patterns("__pycache__"))
    entry = folder / "jobs" / "sweep.py"
    entry.parent.mkdir()
    own = source.parent.parent / "jobs" / "sweep.py"
    entry.write_text(own.read_text(encoding="utf-8") if own.is_file() else ENTRY, encoding="utf-8")
    inside = not experiment.is_absolute() and ".." not in experiment.parts
    name = PurePosixPath(experiment if inside else PurePosixPath("search_spaces") / experiment.name)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(experiment, folder / name)
    options = [part for change in changes for part in ("--set", change)]
    return shlex.join(["python", "jobs/sweep.py", str(name), *options])


def _authorisation(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _check_head(address: str, headers: dict[str, str]) -> None:
    """Ask for the version first: Ray's own client would wait for minutes, and answer with a page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"--address {address}: expected the head's dashboard, such as http://HEAD:8265")
    request = urllib.request.Request(f"{address}/api/version", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN) as answer:
            problem = None if b"ray_version" in answer.read() else "is no Ray dashboard: give the head's address"
    except urllib.error.HTTPError as error:
        problem = _REFUSALS.get(error.code, f"answers HTTP {error.code}: give the address of the head's dashboard")
    except OSError as error:
        reason = getattr(error, "reason", error)
        problem = f"cannot be reached ({getattr(reason, 'strerror', None) or reason}): {_REACH}"
    if problem:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise InputError(f"{shown} {problem}")


def _warn_of_local_data(experiment: Experiment) -> None:
    shards = experiment.data.shards
    if "://" not in shards and not shards.startswith("phantom:") and not Path(shards).is_absolute():
        print(
            f"warning: data.shards {shards} is relative, and is read on the cluster, where no data is uploaded; "
            "give s3://..., phantom:NAME or a path that all nodes share",
            file=sys.stderr,
        )


def _follow(client: JobSubmissionClient, job: str, address: str, token: bool) -> int:
    try:
        asyncio.run(_print_logs(client, job))
    except KeyboardInterrupt:
        print(f"\ndetached; the job goes on. {_way_back(job, address, token)}", file=sys.stderr)
        return 0
    except Exception as error:  # a laptop that slept, a tunnel that broke
        print(f"lost the connection ({type(error).__name__}). {_way_back(job, address, token)}", file=sys.stderr)
        return 1
    info = client.get_job_info(job)
    if not info.status.is_terminal():
        print(f"the log ended before the job. {_way_back(job, address, token)}", file=sys.stderr)
        return 1
    print(f"job {job} {info.status.value.lower()}", file=sys.stderr)
    return 0 if info.status.value == "SUCCEEDED" else 1


async def _print_logs(client: JobSubmissionClient, job: str) -> None:
    async for lines in client.tail_job_logs(job):
        print(lines, end="", flush=True)


def _way_back(job: str, address: str, token: bool) -> str:
    mode = "RAY_AUTH_MODE=token " if token else ""
    return (
        f"Its log: {mode}ray job logs --follow {job} --address {address}\n"
        f"End it: {mode}ray job stop {job} --address {address}"
    )
