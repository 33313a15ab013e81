"""Importers of `radsweep pack` by name. A new importer needs its file and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.data.importers import chexpert, csv, mimic_cxr_jpg, nih, openi, padchest, roco, rsna, vindr
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
    "padchest": padchest.IMPORTER,
    "vindr-cxr": vindr.IMPORTER,
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
    """Pack the data that the importer `name` finds under `root` into a new data set at `out`.

    Args:
        progress: called with the current task, the steps done and the total.
        say: called with lines for the terminal.
        reader: reads the pictures; threads of this process if None.

    Raises:
        InputError: `root` is not a folder, `out` exists, or the source cannot be packed.
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
