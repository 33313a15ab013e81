"""ROCO, figures of open-access articles with their captions: version 1 (ROCO ids) and version 2 (ROCOv2).

Sources: Pelka et al., LABELS 2018 (https://github.com/razorx89/roco-dataset); Rückert et al., Scientific Data 2024
(https://doi.org/10.5281/zenodo.8333645).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.published_files import (
    PublishedFile,
    find_known,
    image_files,
    known_table,
    missing_message,
    optional,
)
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow and numpy
    from radsweep.data.packing.image_cache import Progress
    from radsweep.data.shards.schema import Split

_V1_FROM = "ROCO, https://github.com/razorx89/roco-dataset (its scripts/fetch.py downloads the images)"
_V2_FROM = "ROCOv2, https://doi.org/10.5281/zenodo.8333645"
_FOLDERS: dict[str, tuple[Split, str]] = {  # of version 1, of version 2
    "train": ("train", "train"),
    "validation": ("validation", "valid"),
    "test": ("test", "test"),
}


class RocoSettings(PackSettings):
    """Options of `radsweep pack roco`."""


class _Figure(NamedTuple):
    name: str
    caption: str
    split: Split
    paths: tuple[str, ...]  # candidates; the first that exists is used


def _captions(folder: str, name: str = "captions.txt") -> PublishedFile:
    return PublishedFile(tuple(f"{above}{folder}/radiology/{name}" for above in ("data/", "all_data/", "")), _V1_FROM)


def _table(folder: str) -> PublishedFile:
    return PublishedFile((f"{folder}_captions.csv",), _V2_FROM)


def _images(folder: str) -> PublishedFile:
    return PublishedFile(
        (f"{folder}_images/{folder}", f"{folder}_images", folder), f"{folder}_images.zip of {_V2_FROM}"
    )


def read_roco(settings: RocoSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each figure, with its caption as the report. Raises InputError."""
    version = _version(root)
    figures = list(_version_1(root) if version == 1 else _version_2(root))
    rows = []
    for number, figure in enumerate(tracked(figures, progress), 1):
        path = next((path for path in figure.paths if (root / path).is_file()), figure.paths[0])
        rows.append(
            SourceRow(number, patient=figure.name, report=figure.caption, files=image_files(path), split=figure.split)
        )
    needs = Requirements(without_report=settings.without_reports, without_image=settings.without_images)
    notes = ["patients are not known: each figure counts as its own patient"]
    return Source(rows, needs, {"splits": "official", "version": version}, notes)


def _version(root: Path) -> int:
    if any(optional(root, _captions(folder)) for folder in _FOLDERS):
        return 1
    if any(optional(root, _table(folder)) for _, folder in _FOLDERS.values()):
        return 2
    either = f"{missing_message(root, _captions('train'))}\n{missing_message(root, _table('train'))}"
    raise InputError(f"{either}\none of the two is needed")


def _version_1(root: Path) -> Iterator[_Figure]:
    """Yield figures of version 1. licences.txt gives the file that fetch.py saved for an id; other copies use ids."""
    captions = find_known(root, *map(_captions, _FOLDERS))
    images = find_known(root, *(_captions(folder, "images") for folder in _FOLDERS))
    for (split, _), path, folder in zip(_FOLDERS.values(), captions, images, strict=True):
        inside = folder.relative_to(root)
        licences = path.with_name("licences.txt")
        table = known_table(licences, ("ROCO_ID", "PMC_ID")).rows if licences.exists() else ()
        name_of = {row["ROCO_ID"]: row["PMC_ID"] for row in table}
        for name, caption in _tab_separated(path):
            names = (name_of.get(name, ""), f"{name}.jpg")
            yield _Figure(name, caption, split, tuple(f"{inside}/{name}" for name in names if name))


def _version_2(root: Path) -> Iterator[_Figure]:
    tables = find_known(root, *(_table(folder) for _, folder in _FOLDERS.values()))
    images = find_known(root, *(_images(folder) for _, folder in _FOLDERS.values()))
    for (split, _), path, folder in zip(_FOLDERS.values(), tables, images, strict=True):
        inside = folder.relative_to(root)
        for row in known_table(path, ("ID", "Caption")).rows:
            name = row["ID"]
            yield _Figure(name, row["Caption"], split, (f"{inside}/{name}.jpg", f"{inside}/{name}.png"))


def _tab_separated(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, caption) of each line. A line that does not begin with an id continues the caption before it."""
    entries: list[tuple[str, str]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, tab, caption = line.partition("\t")
        if tab and name.startswith("ROCO_"):
            entries.append((name.strip(), caption.strip()))
        elif entries:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}".strip())
    if not entries:
        raise InputError(f"{path}: no line has an id, a tab and a caption; download it again from {_V1_FROM}")
    yield from entries


IMPORTER = Importer(
    RocoSettings,
    read_roco,
    "Pack ROCO or ROCOv2 (figures of articles with captions).\n\n"
    "ROOT holds data/train/radiology/captions.txt with images/ beside it, and so on (ROCO), or train_captions.csv, "
    "valid_captions.csv and test_captions.csv with train/, valid/ and test/ (ROCOv2). The official splits are kept; a "
    "figure's caption is its report.",
    "/data/roco my-shards --size 512",
)
