"""The command that shows it all on a fresh machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import radsweep
from radsweep.cli.arguments import Json
from radsweep.cli.experiments import sweep
from radsweep.errors import InputError


def demo(
    store: Annotated[Path, typer.Option(metavar="FOLDER", help="Where data, records and the report go.")] = Path(
        "demo"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; start nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Run the quickstart: a real ablation of 12 short trials on the built-in data set.

    Minutes on 2 cores. Ends with the table, the report and the command that opens MLflow.
    """
    sweep(quickstart(), [f"run.store={json.dumps(str(store))}"], dry_run=dry_run, as_json=as_json)


def quickstart() -> Path:
    """The experiment file that ships: inside an installed package, at the top of a checkout.

    Raises:
        InputError: a package that was taken out of its checkout by other means than installing it.
    """
    package = Path(radsweep.__file__).parent
    for folder in (package, package.parent.parent):
        if (file := folder / "search_spaces" / "quickstart.yaml").is_file():
            return file
    raise InputError(f"{package}: search_spaces/quickstart.yaml is not there; install radsweep with pip")
