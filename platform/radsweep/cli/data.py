"""Commands that make and look at packed data sets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radsweep.cli.arguments import Json, local
from radsweep.cli.settings import takes_settings
from radsweep.data.importers.registry import IMPORTERS, pack_source
from radsweep.data.packing.settings import PackSettings
from radsweep.filesystem import refuse_existing

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow
    from radsweep.data.packing.reading import Reader

_OUT = local("OUT", "pack to a folder, then copy it, without private/, to the bucket")
_ROOT = local("ROOT", "copy the source to a folder, or mount it")
Out = Annotated[Path, typer.Argument(metavar="OUT", parser=_OUT, help="New folder for the data set.")]
Root = Annotated[
    Path, typer.Argument(metavar="ROOT", parser=_ROOT, help="Folder of the source: its images, and its tables.")
]
Ray = Annotated[
    bool | None,
    typer.Option(help="Read pictures with Ray, on a cluster where RAY_ADDRESS names one; then it is the default."),
]
Shards = Annotated[str, typer.Argument(metavar="SHARDS", help="Folder of a packed data set, or s3://...")]


def phantom(
    out: Out,
    difficulty: Annotated[str, typer.Option(help="standard or plain.")] = "standard",
    pairs: Annotated[int, typer.Option(help="Training studies.", min=2)] = 3000,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    size: Annotated[int, typer.Option(help="Side of the images, pixels.", min=32)] = 64,
) -> None:
    """Make the built-in data set: phantoms with reports, packed."""
    from radsweep.console import Console
    from radsweep.data.phantom import write_phantom

    with Console().counting("Making studies") as progress:
        write_phantom(out, difficulty=difficulty, pairs=pairs, seed=seed, size=size, progress=progress)
    print(out)


def pack_command(name: str) -> Callable[..., None]:
    """The command `radsweep pack NAME`."""
    importer = IMPORTERS[name]

    def pack(settings: PackSettings, root: Root, out: Out, ray: Ray = None, as_json: Json = False) -> None:
        from radsweep.cli.output import stages
        from radsweep.console import Console
        from radsweep.data.packing.pack import describe

        console = Console()
        refuse_existing(out)
        reader = _ray_reader() if ray or (ray is None and os.environ.get("RAY_ADDRESS")) else None
        try:
            with stages(console) as progress:
                packed = pack_source(name, settings, root, out, progress, console.say, reader)
        except (KeyboardInterrupt, OSError):
            console.say("stopped: the same command goes on from here")
            raise
        for line in describe(packed):
            console.say(line)
        if as_json:
            print(json.dumps(packed.manifest.model_dump(mode="json", exclude={"shards"}), indent=1))
        else:
            print(out)

    pack.__doc__ = importer.about
    return takes_settings(importer.settings)(pack)


def _ray_reader() -> Reader:
    """Joins or starts the Ray that reads."""
    from radsweep.cluster.connect import connect
    from radsweep.data.packing.reading_ray import read_on_ray

    connect()
    return read_on_ray


def inspect(shards: Shards, as_json: Json = False) -> None:
    """Say what is in a packed data set.

    Counts by split, sizes, report lengths, repeats, labels; which rows were dropped, and why.
    """
    from radsweep.cli.output import show
    from radsweep.data.inspection.inspection import inspect_dataset
    from radsweep.data.inspection.table import render

    inspection = inspect_dataset(shards)
    if as_json:
        print(inspection.model_dump_json(indent=1))
    else:
        show(render(inspection))
