"""Commands that make and look at packed data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from radsweep.cli.arguments import Json
from radsweep.cli.settings import takes_settings
from radsweep.data.importers.csv_settings import CsvSettings

Out = Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the data set.")]
Root = Annotated[Path, typer.Argument(metavar="ROOT", help="Folder that holds the images.")]
Shards = Annotated[Path, typer.Argument(metavar="SHARDS", help="Folder of a packed data set.")]

PACK_CSV_EXAMPLE = (
    "radsweep pack csv xrays my-shards --table metadata.csv --image 'images/{patientid}.*' \\\n"
    "    --report notes --patient patientid --patient-pattern '^(.*?)[a-c]?$' --keep modality=X-ray"
)


def phantom(
    out: Out,
    difficulty: Annotated[str, typer.Option(help="standard or plain.")] = "standard",
    pairs: Annotated[int, typer.Option(help="Training studies.", min=2)] = 3000,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    size: Annotated[int, typer.Option(help="Side of the images, pixels.", min=32)] = 64,
) -> None:
    """Make the built-in data set: phantoms with reports, packed."""
    from radsweep.data.phantom import write_phantom
    from radsweep.sweep.progress import Console

    with Console().counting("Making studies") as progress:
        write_phantom(out, difficulty=difficulty, pairs=pairs, seed=seed, size=size, progress=progress)
    print(out)


@takes_settings(CsvSettings)
def pack_csv(settings: CsvSettings, root: Root, out: Out, as_json: Json = False) -> None:
    """Pack a folder of images and a table of reports.

    You name the columns. Rows without an image or a report, unreadable images and repeats are left out of the pairs,
    counted and listed by reason. Splits are by patient. Ids are replaced by keyed hashes; key, mapping and lists stay
    in OUT/private.
    """
    from radsweep.cli.output import stages
    from radsweep.data.importers.csv_table import pack_csv as pack
    from radsweep.data.pack import describe
    from radsweep.sweep.progress import Console

    console = Console()
    with stages(console) as progress:
        packed = pack(settings, root, out, progress)
    for line in describe(packed):
        console.say(line)
    if as_json:
        print(json.dumps(packed.manifest.model_dump(mode="json", exclude={"shards"}), indent=1))
    else:
        print(out)


def inspect(shards: Shards, as_json: Json = False) -> None:
    """Say what is in a packed data set.

    Counts by split, sizes, report lengths, repeats, labels; which rows were dropped, and why.
    """
    from radsweep.cli.output import show
    from radsweep.data.inspection import inspect_dataset
    from radsweep.data.inspection_table import render

    inspection = inspect_dataset(shards)
    if as_json:
        print(inspection.model_dump_json(indent=1))
    else:
        show(render(inspection))
