"""PadChest: radiographs with Spanish reports and lists of labels.

Source: Bustos et al., Medical Image Analysis 2020 (https://bimcv.cipf.es/bimcv-projects/padchest/). It has no official
splits.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from radsweep.data.importers.toolkit.cell_lists import items
from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.published_files import PublishedFile, find_known, image_files, known_table
from radsweep.data.importers.toolkit.views_and_labels import ViewSettings, keep_views
from radsweep.data.packing.image_names import is_file
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for numpy
    from radsweep.data.packing.image_cache import Progress

_TABLE = PublishedFile(
    ("PADCHEST_chest_x_ray_images_labels_160K*.csv.gz", "PADCHEST*.csv.gz", "*/PADCHEST*.csv.gz"),
    "PadChest, https://bimcv.cipf.es/bimcv-projects/padchest/",
)
_COLUMNS = ("ImageID", "ImageDir", "StudyID", "PatientID", "Projection", "Report", "Labels")
_UNKNOWN_VIEWS = ("UNK", "EXCLUDE")


class PadchestSettings(ViewSettings):
    """Options of `radsweep pack padchest`."""

    label_images: int = Field(50, ge=1, description="least number of images with a name that becomes a label")


def read_padchest(settings: PadchestSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image of the table. Raises InputError."""
    (path,) = find_known(root, _TABLE)
    table = known_table(path, _COLUMNS)
    named = [_names(row["Labels"], f"{path}: row {number}") for number, row in table.numbered()]
    counts = Counter(name for names in named for name in names)
    classes = sorted(name for name, count in counts.items() if count >= settings.label_images)
    labels = cache(lambda names: {name: float(name in names) if names else None for name in classes})
    rows = []
    for (number, row), names in tracked(list(zip(table.numbered(), named, strict=True)), progress):
        rows.append(
            SourceRow(
                number=number,
                patient=row["PatientID"],
                study=row["StudyID"],
                report=row["Report"],
                files=_files(row["ImageDir"], row["ImageID"], root),
                view="" if row["Projection"] in _UNKNOWN_VIEWS else row["Projection"].replace("_", " "),
                labels=labels(names),
            )
        )
    kept, views, notes = keep_views(rows, settings.views)
    if len(classes) < len(counts):
        notes.append(
            f"{len(counts) - len(classes)} of {len(counts)} names are not labels: each is in fewer than "
            f"{settings.label_images} images"
        )
    notes.append("a label is 0 in images whose list only has others, unknown in images without a list")
    needs = Requirements(without_report=settings.without_reports, without_image=settings.without_images)
    return Source(kept, needs, {"splits": "by seed", "label_images": settings.label_images, **views}, notes)


def _names(cell: str, where: str) -> frozenset[str]:
    try:
        return frozenset(items(cell))
    except ValueError as error:
        raise InputError(f"{where}: Labels: {error}") from error


def _files(folder: str, name: str, root: Path) -> tuple[str, ...]:
    """Return the file in the folder that the table names, else only its name, which is searched in all folders."""
    files = image_files(f"{folder}/{name}") if folder and name else ()
    return files if files and is_file(root, files[0]) else image_files(name)


IMPORTER = Importer(
    PadchestSettings,
    read_padchest,
    "Pack PadChest (radiographs with reports in Spanish).\n\n"
    "ROOT holds PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv, as it is or compressed, and the unpacked images, "
    "in folders 0/ to 54/ or in any others. The data has no official splits, so splits are made by seed. Labels are "
    "the names of the table that are frequent enough.",
    "/data/padchest my-shards --views frontal --size 512",
)
