"""All commands and their exit codes. Heavy imports wait until a command needs them, so help is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from radsweep import __version__
from radsweep.cli import data, experiments, jobs, results
from radsweep.cli.demo import demo
from radsweep.cli.doctor import doctor
from radsweep.cli.status import status
from radsweep.cli.sync import sync
from radsweep.data.importers.registry import IMPORTERS
from radsweep.errors import InputError
from radsweep.filesystem import disk_full

Command = Callable[..., Any]


def _group(about: str) -> typer.Typer:
    # Plain help: rich markup would swallow the brackets of a regular expression
    return typer.Typer(
        help=about, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def _add(group: typer.Typer, name: str, command: Command, example: str) -> None:
    group.command(name, epilog=f"\b\nExample:\n  {example}")(command)


app = _group("Find out which low-data techniques help a vision-language model on your data, and by how much.")
pack = _group("Pack images and reports into shards.")
app.add_typer(pack, name="pack")

_add(app, "demo", demo, "radsweep demo --store demo")
_add(app, "phantom", data.phantom, "radsweep phantom my-phantom --pairs 1000")
for name, importer in IMPORTERS.items():
    _add(pack, name, data.pack_command(name), f"radsweep pack {name} {importer.example}")
_add(app, "inspect", data.inspect, "radsweep inspect my-shards")
_add(app, "sweep", experiments.sweep, "radsweep sweep search_spaces/quickstart.yaml --set run.slots=1")
_add(app, "train", experiments.train, "radsweep train search_spaces/quickstart.yaml --set data.pairs=300")
_add(app, "doctor", doctor, "radsweep doctor search_spaces/quickstart.yaml")
_add(app, "submit", jobs.submit, "radsweep submit search_spaces/quickstart.yaml --address http://HEAD:8265")
_add(app, "list", jobs.list_jobs, "radsweep list --address http://HEAD:8265")
_add(app, "logs", jobs.logs, "radsweep logs quickstart --address http://HEAD:8265")
_add(app, "stop", jobs.stop, "radsweep stop quickstart --address http://HEAD:8265")
_add(app, "fetch", jobs.fetch, "radsweep fetch quickstart --address http://HEAD:8265 --out report")
app.command("bundle", hidden=True)(jobs.bundle)
_add(app, "evaluate", results.evaluate, "radsweep evaluate ~/radsweep/sweeps/ID/report/winner --data my-shards")
_add(app, "status", status, "radsweep status low-data-ablation --watch")
_add(app, "report", results.report, "radsweep report low-data-ablation")
_add(app, "sync", sync, "radsweep sync --store ~/radsweep")
_add(app, "ui", results.ui, "radsweep ui --port 5000")
_add(app, "schema", experiments.schema, "radsweep schema > experiment.schema.json")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"radsweep {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run a command. The exit code is 0, 1 if the work failed, or 2 if the input was wrong."""
    try:
        app()
    except InputError as error:
        for each in error.errors:
            print(f"radsweep: {each}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("radsweep"):
            raise
        print(
            f"radsweep: this command needs {error.name}, which is not installed: pip install 'radsweep[full]' has all "
            "that sweeps need, 'radsweep[client]' what submits them to a cluster",
            file=sys.stderr,
        )
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        more = "; free space there, then continue with --resume" if disk_full(error) else ""
        print(f"radsweep: {error.filename}: {error.strerror}{more}", file=sys.stderr)
        sys.exit(1)
