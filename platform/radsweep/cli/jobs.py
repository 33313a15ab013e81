"""Commands that a laptop needs to run sweeps on a cluster. None of them imports more than Ray's client of jobs."""

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
        help="The head's dashboard, http://HEAD:8265; else RAY_API_SERVER_ADDRESS. A token is read from RAY_AUTH_TOKEN "
        "or ~/.ray/auth_token.",
    ),
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job, or name of an experiment: its latest job.")]


def submit(
    experiment: Experiment,
    address: Address,
    changes: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the latest sweep of this experiment.")] = False,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Do not wait for the end.")] = False,
) -> None:
    """Run a sweep on a Ray cluster, from a laptop.

    Code and experiment file travel, data does not. The job's output follows; Ctrl-C detaches and the job goes on.
    """
    from radsweep.cluster.submit import submit as send

    raise typer.Exit(send(experiment, changes or [], address, follow=not no_follow, resume=resume))


def list_jobs(address: Address, as_json: Json = False) -> None:
    """List the sweeps that run, or ran, as jobs on a cluster."""
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
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Print what is there, and end.")] = False,
) -> None:
    """Print a job's output from its start, and follow it; Ctrl-C detaches and the job goes on."""
    from radsweep.cluster.job_client import connected
    from radsweep.cluster.jobs import show_log

    raise typer.Exit(show_log(connected(address), job, address, not no_follow))


def stop(job: Job, address: Address) -> None:
    """End a job: running trials save checkpoints, and `radsweep submit --resume` goes on from them."""
    from radsweep.cluster.job_client import connected
    from radsweep.cluster.jobs import stop as end

    print(f"{end(connected(address), job)} is told to end; `radsweep logs` shows when it has")


def fetch(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A job's id; or name or id of a sweep.")],
    address: Address,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", parser=REPORT_FOLDER, help="New folder for the report.")
    ] = Path("report"),
    store: Annotated[
        str | None, typer.Option(help="The store's folder on the cluster, if it is not the usual.")
    ] = None,
) -> None:
    """Bring the report of a sweep from a cluster to this machine."""
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
        raise InputError(f"{record.id} has no report yet; `radsweep logs` shows how far it is")
    print_bundle(folder)
