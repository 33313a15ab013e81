"""Commands that run sweeps on a cluster from a laptop. They import nothing heavier than Ray's job client."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from radsweep.cli.arguments import REPORT_FOLDER, Changes, Experiment, Json, StoreOption

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS",
        help="The head's dashboard, http://HEAD:8265; default: RAY_API_SERVER_ADDRESS. A token is read from "
        "RAY_AUTH_TOKEN or ~/.ray/auth_token.",
    ),
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job, or name of an experiment: its latest job.")]


def submit(
    experiment: Experiment,
    address: Address,
    changes: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the latest sweep of this experiment.")] = False,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="Return at once instead of following the output.")
    ] = False,
) -> None:
    """Run a sweep on a Ray cluster, from a laptop.

    The code and the experiment file are uploaded, the data is not. The job's output is printed as it comes; Ctrl-C
    detaches and the job continues.
    """
    from radsweep.cluster.submit import submit as send

    raise typer.Exit(send(experiment, changes or [], address, follow=not no_follow, resume=resume))


def list_jobs(address: Address, as_json: Json = False) -> None:
    """List the running and finished sweep jobs of a cluster."""
    from radsweep.cli.output import show
    from radsweep.cluster.job_client import connected
    from radsweep.cluster.jobs import list_jobs

    found = list_jobs(connected(address))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from rich.table import Table

    table = Table()
    for head in ("job", "experiment", "", "started"):
        table.add_column(head)
    for one in found:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(one["started"]))
        table.add_row(one["job"], one["experiment"], one["status"], started)
    show(table)


def logs(
    job: Job,
    address: Address,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Print the output so far and return.")] = False,
) -> None:
    """Print a job's output from its start, and follow it; Ctrl-C detaches and the job continues."""
    from radsweep.cluster.job_client import connected
    from radsweep.cluster.jobs import show_log

    raise typer.Exit(show_log(connected(address), job, address, not no_follow))


def stop(job: Job, address: Address) -> None:
    """Stop a job: running trials save checkpoints, and `radsweep submit --resume` continues from them."""
    from radsweep.cluster.job_client import connected
    from radsweep.cluster.jobs import stop as end

    print(f"Stop requested for {end(connected(address), job)}; follow it with `radsweep logs {job}`")


def fetch(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="Id of a job, or name or id of a sweep.")],
    address: Address,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", parser=REPORT_FOLDER, help="New folder for the report.")
    ] = Path("report"),
    store: Annotated[
        str | None, typer.Option(help="The store's folder on the cluster, if it is not the default one.")
    ] = None,
) -> None:
    """Copy the report of a sweep from a cluster to this machine."""
    from radsweep.cluster.job_client import connected
    from radsweep.cluster.jobs import fetch as bring

    print(bring(connected(address), sweep, out, store))


def bundle(sweep: Annotated[str, typer.Argument(metavar="SWEEP")], store: StoreOption = None) -> None:
    """Print a sweep's report for `radsweep fetch`."""
    from radsweep.cluster.jobs import print_bundle
    from radsweep.errors import InputError
    from radsweep.store.store import Store, store_folder

    place = Store(store_folder(store))
    record = place.read_sweep(sweep)
    folder = place.report_folder(record)
    if not (folder / "report.html").is_file():
        raise InputError(f"{record.id} has no report yet; check its progress with `radsweep logs`")
    print_bundle(folder)
