"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radsweep.api.paths import folder_here

Experiment = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file, YAML.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON on standard output.")]
StoreOption = Annotated[
    str | None, typer.Option("--store", help="The store's folder; default: RADSWEEP_STORE, else ~/radsweep.")
]


REPORT_FOLDER = folder_here("--out", "write the report to a folder, then copy it to the bucket")
