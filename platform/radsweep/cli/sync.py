"""The command that sends waiting results to MLflow and to an archive."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from radsweep.cli.arguments import StoreOption
from radsweep.errors import InputError

if TYPE_CHECKING:
    from radsweep.store.records import SweepRecord
    from radsweep.store.store import Store


def sync(
    sweep: Annotated[
        str | None,
        typer.Argument(metavar="SWEEP", help="Name or id of a sweep; default: all that have waiting results."),
    ] = None,
    store: StoreOption = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri", metavar="URI", help="MLflow to send to; default: the one that each sweep wrote to."
        ),
    ] = None,
) -> None:
    """Send waiting results to MLflow and to the archive, which were unreachable when the results were made.

    A sweep's record has no password. If the server needs one, set MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_URI, or use --tracking-uri.
    """
    from radsweep.store.store import Store, store_folder

    place = Store(store_folder(store))
    wanted = [place.read_sweep(sweep)] if sweep else place.sweeps()
    told = [*_to_mlflow(place, wanted, tracking_uri), *_to_archives(place, wanted)]
    for text, failed in told:
        print(f"radsweep: {text}" if failed else text, file=sys.stderr if failed else sys.stdout)
    if not told:
        print(f"Nothing waits in {place.root}")
    if any(failed for _, failed in told):
        raise typer.Exit(1)


def _to_mlflow(place: Store, sweeps: Iterable[SweepRecord], address: str | None) -> Iterator[tuple[str, bool]]:
    """Send each sweep's waiting results; yield a line about it, and whether it failed."""
    from radsweep.tracking.address import sanitise_uri, tracking_uri
    from radsweep.tracking.mirror import spool_folder
    from radsweep.tracking.sender import replay

    for record in sweeps:
        spool = spool_folder(place.root, record.id)
        if not any(spool.glob("*.json")):
            continue
        try:
            if address is None and record.run is None:
                raise InputError("another version of radsweep ran it; give the MLflow to send to with --tracking-uri")
            recorded = record.run.tracking_uri if record.run else None
            uri = tracking_uri(address or _address(recorded), place.root)
            yield f"{record.id}: {replay(spool, uri, place.root):,} entries sent to {sanitise_uri(uri)}", False
        except InputError as error:
            yield f"{record.id}: {error}", True


def _to_archives(place: Store, sweeps: Iterable[SweepRecord]) -> Iterator[tuple[str, bool]]:
    """Like `_to_mlflow`, for each sweep that has an archive."""
    from radsweep.store.archive import ArchivedStore

    for record in sweeps:
        if record.run is None:
            yield (
                f"{record.id}: another version of radsweep ran it; only that version can send it to its archive",
                False,
            )
        elif (archive := record.run.archive) is not None:
            left = ArchivedStore(place.root, archive).flush(record)
            yield f"{record.id}: {left or f'all is in {archive}'}", bool(left)


def _address(recorded: str | None) -> str | None:
    """Address that a sweep wrote to, with the password of the environment if that has the same address."""
    from radsweep.tracking.address import sanitise_uri

    given = os.environ.get("MLFLOW_TRACKING_URI")
    return given if recorded and given and sanitise_uri(given) == recorded else recorded
