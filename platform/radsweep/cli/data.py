"""Commands that make and inspect packed data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from radsweep.api import data as api_data
from radsweep.cli.arguments import Json
from radsweep.cli.settings import takes_settings
from radsweep.data.importers.registry import IMPORTERS
from radsweep.data.packing.settings import PackSettings

Out = Annotated[Path, typer.Argument(metavar="OUT", parser=api_data.OUT, help="New folder for the data set.")]
Root = Annotated[
    Path, typer.Argument(metavar="ROOT", parser=api_data.ROOT, help="Folder of the source, with its images and tables.")
]
Ray = Annotated[
    bool | None,
    typer.Option(help="Read images with Ray, on a cluster if RAY_ADDRESS names one; then it is the default."),
]
Shards = Annotated[str, typer.Argument(metavar="SHARDS", help="Folder of a packed data set, or s3://...")]


def phantom(
    out: Out,
    difficulty: Annotated[str, typer.Option(help="standard or plain.")] = "standard",
    pairs: Annotated[int, typer.Option(help="Number of training studies.", min=2)] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.", min=32)] = 64,
) -> None:
    """Make and pack the built-in data set: phantoms with reports."""
    from radsweep.console import Console
    from radsweep.data.phantom import write_phantom

    with Console().counting("Making studies") as progress:
        write_phantom(out, difficulty=difficulty, pairs=pairs, seed=seed, size=size, progress=progress)
    print(out)


def pack_command(name: str) -> Callable[..., None]:
    """The command `radsweep pack NAME`."""
    importer = IMPORTERS[name]

    def pack(settings: PackSettings, root: Root, out: Out, ray: Ray = None, as_json: Json = False) -> None:
        packed = api_data.pack_with(name, settings, root, out, ray)
        if as_json:
            print(json.dumps(packed.manifest.model_dump(mode="json", exclude={"shards"}), indent=1))
        else:
            print(out)

    pack.__doc__ = importer.about
    return takes_settings(importer.settings)(pack)


def inspect(
    shards: Shards,
    tokenizer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Count cut reports with the tokenizer of this text model (hub id or folder), instead of one that is "
            "trained on the reports.",
        ),
    ] = "",
    max_tokens: Annotated[
        int | None, typer.Option(help="Count the reports that are cut at this length, in tokens.", min=8)
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            parser=api_data.PICTURES,
            help="Write a contact sheet: small pictures, those with hardly any contrast first. It shows patients' "
            "images, so keep it where the data may be.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the contents of a packed data set.

    Counts by split, sizes, image formats, images with hardly any contrast, report lengths, reports that text towers
    cut, repeats, labels, and dropped rows by reason.
    """
    from radsweep.cli.output import show

    inspection = api_data.inspect(shards, tokenizer=tokenizer, max_tokens=max_tokens, pictures=pictures)
    if as_json:
        print(inspection.model_dump_json(indent=1))
    else:
        show(inspection)
