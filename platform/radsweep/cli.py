"""The command line: `radsweep COMMAND`. Heavy imports wait until a command needs them, so help is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from radsweep.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which low-data technique helps a vision-language model, on your data, by how much.",
)
pack = typer.Typer(no_args_is_help=True, help="Pack images and reports into shards.")
app.add_typer(pack, name="pack")

Experiment = Annotated[Path, typer.Argument(help="Experiment file, YAML.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]
StoreOption = Annotated[
    str | None, typer.Option("--store", help="The store's folder; else RADSWEEP_STORE, else ~/radsweep.")
]


def main() -> None:
    """Exit code 0, 1 where the work failed, 2 where the input was wrong."""
    try:
        app()
    except InputError as error:
        print(f"radsweep: {error}", file=sys.stderr)
        sys.exit(2)


@app.command(epilog="Example: radsweep phantom my-phantom --pairs 1000")
def phantom(
    out: Annotated[Path, typer.Argument(help="New folder for the data set.")],
    difficulty: Annotated[str, typer.Option(help="standard or plain.")] = "standard",
    pairs: Annotated[int, typer.Option(help="Training studies.", min=2)] = 3000,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    size: Annotated[int, typer.Option(help="Side of the images, pixels.", min=16)] = 64,
) -> None:
    """Make the built-in data set: chest-radiograph phantoms with reports, packed."""
    from radsweep.data.phantom import write_phantom
    from radsweep.sweep.progress import Console

    with Console().counting("Making studies") as progress:
        write_phantom(out, difficulty=difficulty, pairs=pairs, seed=seed, size=size, progress=progress)
    print(out)


@app.command(epilog="Example: radsweep sweep search_spaces/quickstart.yaml --set run.slots=1")
def sweep(
    experiment: Experiment,
    changes: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the latest sweep of this experiment.")] = False,
    as_json: Json = False,
) -> None:
    """Run a search or an ablation, and write its report."""
    _run(experiment, changes, resume, as_json, alone=False)


@app.command(epilog="Example: radsweep train search_spaces/quickstart.yaml --set data.pairs=300")
def train(experiment: Experiment, changes: Changes = None, as_json: Json = False) -> None:
    """Run the experiment's base trial alone, without its search or ablation."""
    _run(experiment, changes, False, as_json, alone=True)


@app.command(epilog="Example: radsweep report low-data-ablation")
def report(
    sweep: Annotated[str, typer.Argument(help="Name or id of a sweep; its latest is taken.")],
    store: StoreOption = None,
    as_json: Json = False,
) -> None:
    """Write a sweep's report again, from the store; also while it runs."""
    from radsweep.report.terminal import terminal_table
    from radsweep.report.write import write_report
    from radsweep.sweep.store import Store, store_folder

    place = Store(store_folder(store))
    record = place.read_sweep(sweep)
    cells = place.read_cells({cell.key for cell in record.cells})
    page = write_report(place.sweep_folder(record.id) / "report", record, cells)
    _results(record.id, page, terminal_table(record, cells), as_json)


@app.command(epilog="Example: radsweep ui --port 5000")
def ui(
    store: StoreOption = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
    experiment: Annotated[str | None, typer.Option(help="Print links to this experiment's views.")] = None,
) -> None:
    """Open the MLflow UI on the store."""
    from radsweep.sweep.store import Store, store_folder
    from radsweep.tracking.address import tracking_uri
    from radsweep.tracking.ui import serve_ui

    place = Store(store_folder(store))
    experiment = experiment or next((record.name for record in reversed(place.sweeps())), None)
    raise typer.Exit(serve_ui(tracking_uri(None, place.root), place.root, port, experiment))


@app.command(epilog="Example: radsweep schema > experiment.schema.json")
def schema() -> None:
    """The JSON schema of the experiment file, for editors."""
    from radsweep.spec.experiment import Experiment

    print(json.dumps(Experiment.model_json_schema(), indent=2))


def _run(experiment: Path, changes: list[str] | None, resume: bool, as_json: bool, alone: bool) -> None:
    from radsweep.spec.load import load_experiment

    loaded = load_experiment(experiment, changes or [])
    if alone:
        loaded = loaded.model_copy(update={"search": None, "ablation": None})

    from radsweep.report.terminal import terminal_table
    from radsweep.report.write import write_report
    from radsweep.sweep.run import run_sweep
    from radsweep.sweep.store import Store, store_folder

    record = run_sweep(loaded, str(experiment), write_report, resume)
    place = Store(store_folder(loaded.run.store))
    cells = place.read_cells({cell.key for cell in record.cells})
    _results(
        record.id, place.sweep_folder(record.id) / "report" / "report.html", terminal_table(record, cells), as_json
    )
    if record.status == "interrupted":
        raise typer.Exit(130)
    if record.status != "finished":
        raise typer.Exit(1)


def _results(sweep: str, page: Path, table: Any, as_json: bool) -> None:
    if as_json:
        print(page.with_suffix(".json").read_text(encoding="utf-8"))
        return
    from rich.console import Console

    Console().print(table)
    print(f"Report: {page}")
    print(f"MLflow: radsweep ui --store {page.parents[3]}")
