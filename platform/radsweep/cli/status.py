"""The command that shows the progress of sweeps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radsweep.cli.arguments import Json, StoreOption

if TYPE_CHECKING:
    from rich.table import Table

    from radsweep.store.records import SweepRecord
    from radsweep.store.store import Store
    from radsweep.sweep.progress.status import Progress, SweepState

LATEST = 10  # sweeps listed
EVERY = 5.0  # seconds between updates


def status(
    sweep: Annotated[
        str | None, typer.Argument(metavar="SWEEP", help="Name or id; default: all sweeps of the store.")
    ] = None,
    store: StoreOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Update every 5 seconds until no sweep runs.")] = False,
    as_json: Json = False,
) -> None:
    """Show the progress of sweeps: trials done, running, stopped, failed, the best single trial so far, time left.

    Reads only the store, so it also works from another terminal or machine, and after the connection was lost.
    """
    from rich.console import Console as Terminal
    from rich.console import Group
    from rich.live import Live

    from radsweep.cli.output import show
    from radsweep.store.store import Store, store_folder

    place = Store(store_folder(store))
    found = _found(place, sweep)
    if as_json:
        print(json.dumps([_as_json(*one) for one in found], indent=1))
        return
    if not found:
        print(f"No sweep in {place.root} yet")
        return
    if not watch:
        for part in _shown(place, found, sweep is not None):
            show(part)
        return
    with Live(console=Terminal(highlight=False), auto_refresh=False) as live:
        while True:
            live.update(Group(*_shown(place, found, sweep is not None)), refresh=True)
            if all(state != "running" for _, _, state in found):
                return
            time.sleep(EVERY)
            found = _found(place, sweep)


def _found(store: Store, sweep: str | None) -> list[tuple[SweepRecord, Progress, SweepState]]:
    from radsweep.sweep.progress.status import read_progress, sweep_state

    records = [store.read_sweep(sweep)] if sweep else store.sweeps()[-LATEST:]
    found = [(record, read_progress(store, record)) for record in records]
    return [(record, progress, sweep_state(record, progress)) for record, progress in found]


def _shown(store: Store, found: list[tuple[SweepRecord, Progress, SweepState]], whole: bool) -> Iterator[Any]:
    """Yield a row for each sweep, the trials that run now, and commands to continue with."""
    yield _table(found)
    for record, progress, state in found:
        if state == "running" and progress.running:
            yield _slots(record, progress)
        if state in ("cut short", "interrupted") and (whole or record is found[-1][0]):
            yield f"{record.id}: continue with `radsweep sweep FILE --resume` and its experiment file"
        if whole:
            report = store.report_folder(record) / "report.html"
            yield (
                f"Report: {report}" if report.exists() else f"Report of the trials so far: radsweep report {record.id}"
            )
    yield f"MLflow: radsweep ui --store {store.root}"


def _table(found: list[tuple[SweepRecord, Progress, SweepState]]) -> Table:
    from rich.table import Table

    from radsweep.console import duration

    table = Table()
    for head in ("sweep", "", "done", "converged", "running", "stopped", "failed", "best trial", "time left"):
        table.add_column(head, justify="left" if head in ("sweep", "", "best trial") else "right")
    for record, now, state in found:
        of = f" of {now.total:,}" if now.total else ""
        best = f"{now.best:.3f}  {now.best_place}" if now.best is not None else ""
        seconds = now.seconds_left_now
        left = duration(seconds) if state == "running" and seconds is not None else ""
        converged = str(now.convergence.get("converged", 0)) if now.done else ""
        running = str(len(now.running)) if state == "running" else ""
        counts = (str(now.counts.get(how, 0) or "") for how in ("stopped", "failed"))
        table.add_row(record.id, state, f"{now.done:,}{of}", converged, running, *counts, best, left)
    return table


def _slots(record: SweepRecord, progress: Progress) -> Table:
    from rich.table import Table

    from radsweep.console import duration

    table = Table(title=f"{record.id}: running now", title_justify="left")
    for head in ("trial", "for", "steps", record.select):
        table.add_column(head, justify="left" if head == "trial" else "right")
    for one in progress.running.values():
        score = "" if one.score is None else f"{one.score:.3f}"
        table.add_row(one.place, duration(time.time() - one.since), f"{one.step:,}" if one.step else "", score)
    return table


def _as_json(record: SweepRecord, progress: Progress, state: SweepState) -> dict[str, Any]:
    now = progress.model_dump(mode="json", exclude={"holder", "told"})
    now["seconds_left"] = progress.seconds_left_now
    if state != "running":
        now |= {"running": {}, "seconds_left": None}
    return {"sweep": record.id, "state": state, "done": progress.done, **now}
