"""The importers of `radsweep pack`, by name. A new one is its file and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.data.importers import chexpert, csv, mimic_cxr_jpg, nih, openi, roco, rsna
from radsweep.data.importers.toolkit.importer import Importer
from radsweep.data.packing.settings import PackSettings
from radsweep.errors import InputError
from radsweep.filesystem import refuse_existing

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow
    from radsweep.data.packing.image_cache import Progress, Say
    from radsweep.data.packing.pack import Packed
    from radsweep.data.packing.reading import Reader

IMPORTERS: dict[str, Importer] = {
    "csv": csv.IMPORTER,
    "mimic-cxr-jpg": mimic_cxr_jpg.IMPORTER,
    "openi": openi.IMPORTER,
    "chexpert": chexpert.IMPORTER,
    "rsna": rsna.IMPORTER,
    "nih": nih.IMPORTER,
    "roco": roco.IMPORTER,
}


def pack_source(
    name: str,
    settings: PackSettings,
    root: Path,
    out: Path,
    progress: Progress = lambda what, done, total: None,
    say: Say = lambda line: None,
    reader: Reader | None = None,
) -> Packed:
    """Pack what the importer `name` finds under `root` into a new data set at `out`. Raises InputError.

    progress and say: are told how far it is, and lines for the terminal. reader: reads the pictures, elsewhere than
    in this process's threads.
    """
    from radsweep.data.packing.pack import pack
    from radsweep.data.packing.reading import read_here

    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    refuse_existing(out)  # before minutes of reading
    source = IMPORTERS[name].read(settings, root, progress)
    recorded = {"importer": name, **source.recorded}
    return pack(
        source.rows,
        root,
        out,
        settings,
        source.needs,
        source=recorded,
        notes=source.notes,
        reader=reader or read_here,
        progress=progress,
        say=say,
    )
