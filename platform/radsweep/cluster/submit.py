"""Submit a sweep from a laptop to a Ray cluster as a job. Code and experiment file are uploaded, data is not."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsweep.cluster.job_client import connected, send_job
from radsweep.cluster.job_files import stage
from radsweep.config import keys
from radsweep.config.load import parse_experiment, read_tree
from radsweep.config.paths import local_weights

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

STOP_WITHIN = "300"  # seconds that `stop` waits: more than trials have to save; Ray's default is 3


def submit(
    experiment: Path,
    changes: Sequence[str],
    address: str,
    token: str | None = None,
    follow: bool = True,
    resume: bool = False,
) -> int:
    """Run `experiment` as a job on the cluster whose dashboard is at `address`, and return an exit code.

    With `follow` the job's output goes to standard output until it ends: 0 if it succeeded, 1 if it failed. Ctrl-C
    detaches (0) and the job continues. Our own messages go to standard error.

    Raises:
        InputError: the experiment file is wrong, the head is unreachable, or the token is missing or wrong. Nothing
            was submitted.
    """
    tree = read_tree(experiment, changes)
    name = parse_experiment(tree, str(experiment)).experiment
    _warn_of_local_data(tree)
    client = connected(address, token)
    with tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        job = send_job(
            client,
            entrypoint=stage(Path(folder), experiment, changes, resume),
            runtime_env={"working_dir": folder, "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": STOP_WITHIN}},
            metadata={"experiment": name},
        )
    print(f"submitted {name} as job {job}", file=sys.stderr)
    if not follow:
        print(_way_back(job, address), file=sys.stderr)
        return 0
    return follow_job(client, job, address)


def _warn_of_local_data(tree: Mapping[str, Any]) -> None:
    shards = str(keys.get(tree, "data.shards"))
    named = [] if "://" in shards or shards.startswith("phantom:") else [("data.shards", shards)]
    named += [
        (key, folder)
        for key, value in keys.flat(tree).items()
        if key.rpartition(".")[2] in ("sets", "public_models", "backbone", "pretrained")
        for folder in (local_weights(str(name)) for name in (value if isinstance(value, list) else [value]))
        if Path(folder).is_dir()
    ]
    for key, folder in named:
        if not Path(folder).is_absolute():
            print(
                f"warning: {key} {folder} is a relative path and is read on the cluster; data is not uploaded; "
                "give a path that all nodes share, or s3://..., phantom:NAME or a hub id where the key takes one",
                file=sys.stderr,
            )


def follow_job(client: JobSubmissionClient, job: str, address: str) -> int:
    """Print a job's output until it ends, and return an exit code as `submit` does."""
    try:
        asyncio.run(_print_logs(client, job))
    except KeyboardInterrupt:
        print(f"\ndetached; the job continues. {_way_back(job, address)}", file=sys.stderr)
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
    return f"Its log: radsweep logs {job} --address {address}\nStop it: radsweep stop {job} --address {address}"
