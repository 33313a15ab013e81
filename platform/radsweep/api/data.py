"""Data sets from Python: pack a table of your own, inspect a packed one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from radsweep.api.paths import folder_here
from radsweep.config.explain import validated
from radsweep.data.importers.registry import IMPORTERS, pack_source
from radsweep.data.packing.rows import PLACEHOLDERS
from radsweep.data.packing.settings import PackSettings
from radsweep.filesystem import refuse_existing

if TYPE_CHECKING:  # otherwise `radsweep --help` would wait for pyarrow
    from radsweep.data.inspection.inspection import Inspection
    from radsweep.data.packing.pack import Packed
    from radsweep.data.packing.reading import Reader

OUT = folder_here("OUT", "pack to a folder, then copy it, without private/, to the bucket")
PICTURES = folder_here("--pictures", "write the file to a folder")
ROOT = folder_here("ROOT", "copy the source to a folder, or mount it")
AnyPath = str | os.PathLike[str]


def inspect(
    shards: AnyPath, *, tokenizer: str = "", max_tokens: int | None = None, pictures: AnyPath | None = None
) -> Inspection:
    """Find out what is in a packed data set: studies, patients and images by split, sizes, report lengths, labels.

    Args:
        shards: folder of the data set, or s3://...
        tokenizer: hub id or folder of the text model whose tokenizer counts the reports that are cut; by default, one
            is trained on the training split, as for a text tower from scratch.
        max_tokens: length at which they are counted; by default, several lengths that text towers have.
        pictures: new HTML file for a contact sheet: small pictures, those with hardly any contrast first. It shows
            patients' images, so keep it where the data may be.

    Returns:
        An `Inspection`, which prints and shows in a notebook as the tables of `radsweep inspect`.

    Raises:
        InputError: no data set there, a damaged one, a tokenizer that cannot be loaded, or `pictures` exists.

    Example:
        >>> import radsweep as rs
        >>> found = rs.inspect("my-shards")
        >>> found.studies["pairs"]
        {'train': 80, 'validation': 40, 'test': 40}
        >>> found.frame()
            kind       split  studies  patients  images
        0  pairs       train       80  ...
    """
    from radsweep.data.inspection.contact_sheet import check_sheet, write_contact_sheet
    from radsweep.data.inspection.inspection import COMMON_LENGTHS, inspect_dataset

    lengths = COMMON_LENGTHS if max_tokens is None else (max_tokens,)
    sheet = None if pictures is None else PICTURES(os.fspath(pictures))
    if sheet:
        check_sheet(sheet)
    found = inspect_dataset(os.fspath(shards), tokenizer, lengths)
    if sheet:
        write_contact_sheet(os.fspath(shards), sheet)
    return found


def pack_csv(
    root: AnyPath,
    out: AnyPath,
    *,
    table: AnyPath = "metadata.csv",
    image: str | None = None,
    report: str | None = None,
    patient: str | None = None,
    patient_pattern: str | None = None,
    study: str | None = None,
    split: str | None = None,
    labels: Sequence[str] = (),
    view: str | None = None,
    keep: Sequence[str] = (),
    encoding: str = "auto",
    encoding_errors: Literal["strict", "replace"] = "strict",
    delimiter: str = "",
    uncertain: Literal["unknown", "positive", "negative"] = "unknown",
    name: str = "",
    size: int | None = None,
    seed: int = 0,
    split_fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    missing: Sequence[str] = PLACEHOLDERS,
    without_reports: bool = False,
    without_images: bool = False,
    key_file: AnyPath | None = None,
    ray: bool | None = None,
) -> Path:
    """Pack a folder of images and a table of reports, as `radsweep pack csv` does.

    Rows without an image or a report, unreadable images and repeats are left out of the pairs, and counted by reason.
    Splits are by patient. Ids are replaced by keyed hashes; the key, the mapping and the lists stay in `out`/private.
    A pack that was interrupted continues when it is called again.

    Args:
        root: folder of the images.
        out: new folder for the data set.
        table: the table (CSV, TSV, Parquet or Excel, also compressed), in `root` or elsewhere.
        image: column of file names, or a pattern such as `images/{patientid}.*`; without it only reports are packed.
        report: column of the report's text; without it only images are packed.
        patient: column of the patient; without it each study is a patient.
        patient_pattern: regular expression whose first group in the patient column is the patient.
        study: column of the study; without it each row is a study.
        split: column of the split (train, validation, test); without it splits are made by `seed`.
        labels: columns of flags (1, 0, -1, empty) or of class names.
        view: column of the view (PA, AP, lateral, ...).
        keep: `COLUMN=VALUE` conditions: only rows that fulfil them are packed; repeated values of one column are OR-ed.
        encoding: text encoding of the table; detected by default.
        encoding_errors: `replace` turns bytes that do not belong to the encoding into U+FFFD, and counts them.
        delimiter: character between the columns, or `tab`; detected by default.
        uncertain: value that an uncertain label (-1) becomes; a label that is not mentioned is always unknown.
        name: name of the data set; by default that of the folder.
        size: longest side, in pixels, that larger images are shrunk to.
        seed: seed of the splits, if the source gives none.
        split_fractions: shares of patients in train, validation and test.
        missing: texts that mean a missing report.
        without_reports: keep images that have no report too.
        without_images: keep reports that have no image too.
        key_file: file with the key of the hashed ids (hexadecimal); by default a random one.
        ray: read images with Ray; by default if RAY_ADDRESS names a cluster.

    Returns:
        The folder of the data set, for `inspect` and `data.shards`.

    Raises:
        InputError: a wrong option, a table or column that is not there, no row that can be packed, or `out` exists.

    Example:
        >>> import radsweep as rs
        >>> shards = rs.pack_csv(
        ...     "ROOT", "own-shards", table="metadata.csv", image="image_file", report="clinical_notes",
        ...     patient="patientid")
        >>> sum(rs.inspect(shards).studies["pairs"].values())
        20
    """
    options = {key: value for key, value in locals().items() if key not in ("root", "out", "ray")}
    source, folder = ROOT(os.fspath(root)), OUT(os.fspath(out))
    pack_with("csv", validated(IMPORTERS["csv"].settings, options), source, folder, ray)
    return folder


def pack_with(importer: str, settings: PackSettings, root: Path, out: Path, ray: bool | None) -> Packed:
    """Pack the source of an importer, with progress and a summary on the console; arguments as those of `pack_source`.

    Args:
        ray: as for `pack_csv`.
    """
    from radsweep.console import Console
    from radsweep.data.packing.pack import describe

    console = Console()
    refuse_existing(out)
    reader = _ray_reader() if ray or (ray is None and os.environ.get("RAY_ADDRESS")) else None
    try:
        with console.steps() as progress:
            packed = pack_source(importer, settings, root, out, progress, console.say, reader)
    except (KeyboardInterrupt, OSError):
        console.say("Stopped. Run the same command again to continue")
        raise
    for line in describe(packed):
        console.say(line)
    return packed


def _ray_reader() -> Reader:
    """Join or start Ray and return a reader that uses it."""
    from radsweep.cluster.connect import connect
    from radsweep.data.packing.reading_ray import read_on_ray

    connect()
    return read_on_ray
