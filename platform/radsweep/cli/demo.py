"""The command that runs the quickstart on a fresh machine."""

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
    store: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for the data, the records and the report.")
    ] = Path("demo"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Run the quickstart: a real ablation of 18 short trials on the built-in data set.

    Takes a few minutes on 2 cores and prints the results table, the path of the report and the command that opens
    MLflow.
    """
    sweep(quickstart(), [f"run.store={json.dumps(str(store))}"], dry_run=dry_run, as_json=as_json)


def quickstart() -> Path:
    """The quickstart's experiment file, in an installed package or at the top of a checkout.

    Raises:
        InputError: the file is missing, since the package was copied out of its checkout and not installed.
    """
    package = Path(radsweep.__file__).parent
    for folder in (package, package.parent.parent):
        if (file := folder / "search_spaces" / "quickstart.yaml").is_file():
            return file
    raise InputError(f"{package}: search_spaces/quickstart.yaml is missing; install radsweep with pip")
