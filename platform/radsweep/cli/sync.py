"""The command that sends to MLflow what waits on disk."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from radsweep.cli.arguments import StoreOption


def sync(
    sweep: Annotated[str | None, typer.Argument(metavar="SWEEP", help="Name or id; else all that wait.")] = None,
    store: StoreOption = None,
    tracking_uri: Annotated[
        str | None, typer.Option("--tracking-uri", metavar="URI", help="Send there; else where each sweep wrote.")
    ] = None,
) -> None:
    """Send results to MLflow that wait in the store, since it was away when they came.

    A sweep's record has no password: where the server wants one, set MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_URI, or give --tracking-uri.
    """
    from radsweep.errors import InputError
    from radsweep.sweep.store import Store, store_folder
    from radsweep.tracking.address import sanitise_uri
    from radsweep.tracking.address import tracking_uri as checked
    from radsweep.tracking.delivery import replay
    from radsweep.tracking.mirror import spool_folder

    place = Store(store_folder(store))
    wanted = [place.read_sweep(sweep)] if sweep else place.sweeps()
    waiting = [record for record in wanted if any(spool_folder(place.root, record.id).glob("*.json"))]
    problems: list[str] = []
    for record in waiting:
        uri = checked(tracking_uri or _address(record.experiment.get("run", {}).get("tracking_uri")), place.root)
        try:
            sent = replay(spool_folder(place.root, record.id), uri, place.root)
            print(f"{record.id}: {sent:,} entries sent to {sanitise_uri(uri)}")
        except InputError as error:
            problems.append(f"{record.id}: {error}")
    if not waiting:
        print(f"Nothing waits in {place.root}")
    for problem in problems:
        print(f"radsweep: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)


def _address(recorded: str | None) -> str | None:
    """Where a sweep wrote; with the password that its record lacks, where the environment has the same address."""
    from radsweep.tracking.address import sanitise_uri

    given = os.environ.get("MLFLOW_TRACKING_URI")
    return given if recorded and given and sanitise_uri(given) == recorded else recorded
