"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from radsweep.errors import InputError

Experiment = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file, YAML.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]
StoreOption = Annotated[
    str | None, typer.Option("--store", help="The store's folder; else RADSWEEP_STORE, else ~/radsweep.")
]


def local(argument: str, instead: str) -> Callable[[str | Path], Path]:
    """A parser of a folder of this machine, which looks before Path makes `s3:/BUCKET` of `s3://BUCKET`.

    Raises:
        InputError: an address, which is not repeated, as it may hold credentials.
    """

    def folder(given: str | Path) -> Path:
        if "://" in str(given):
            raise InputError(f"{argument}: expected a folder of this machine, not an address: {instead}")
        return Path(given)

    return folder


REPORT_FOLDER = local("--out", "write the report to a folder, then copy it to the bucket")
