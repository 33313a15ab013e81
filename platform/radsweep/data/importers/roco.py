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
    image_below,
    known_table,
    missing_message,
    optional,
)
from radsweep.data.importers.toolkit.text_files import read_text
from radsweep.data.packing.image_names import is_file
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
    paths: tuple[str, ...]  # candidates below the root; the first that exists is used


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
    notes = ["patients are not known: each figure counts as its own patient"]
    figures = list(_version_1(root, notes) if version == 1 else _version_2(root))
    rows = []
    for number, figure in enumerate(tracked(figures, progress), 1):
        files = next(((path,) for path in figure.paths if is_file(root, path)), figure.paths[:1])
        rows.append(SourceRow(number, patient=figure.name, report=figure.caption, files=files, split=figure.split))
    needs = Requirements(without_report=settings.without_reports, without_image=settings.without_images)
    return Source(rows, needs, {"splits": "official", "version": version}, notes)


def _version(root: Path) -> int:
    if any(optional(root, _captions(folder)) for folder in _FOLDERS):
        return 1
    if any(optional(root, _table(folder)) for _, folder in _FOLDERS.values()):
        return 2
    either = f"{missing_message(root, _captions('train'))}\n{missing_message(root, _table('train'))}"
    raise InputError(f"{either}\none of the two is needed")


def _version_1(root: Path, notes: list[str]) -> Iterator[_Figure]:
    """Yield figures of version 1. licences.txt gives the file that fetch.py saved for an id; other copies use ids."""
    captions = find_known(root, *map(_captions, _FOLDERS))
    images = find_known(root, *(_captions(folder, "images") for folder in _FOLDERS))
    for (split, _), path, folder in zip(_FOLDERS.values(), captions, images, strict=True):
        licences = path.with_name("licences.txt")
        table = known_table(licences, ("ROCO_ID", "PMC_ID")).rows if licences.exists() else ()
        name_of = {row["ROCO_ID"]: row["PMC_ID"] for row in table}
        for name, caption in _tab_separated(path, notes):
            paths = (image_below(folder, file, root) for file in (name_of.get(name, ""), f"{name}.jpg"))
            yield _Figure(name, caption, split, sum(paths, ()))


def _version_2(root: Path) -> Iterator[_Figure]:
    tables = find_known(root, *(_table(folder) for _, folder in _FOLDERS.values()))
    images = find_known(root, *(_images(folder) for _, folder in _FOLDERS.values()))
    for (split, _), path, folder in zip(_FOLDERS.values(), tables, images, strict=True):
        for row in known_table(path, ("ID", "Caption")).rows:
            paths = (image_below(folder, f"{row['ID']}{suffix}", root) for suffix in (".jpg", ".png"))
            yield _Figure(row["ID"], row["Caption"], split, sum(paths, ()))


def _tab_separated(path: Path, notes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (id, caption) of each line. A line that does not begin with an id continues the caption before it.

    notes: gets a line each for damaged bytes and for lines before the first id.
    """
    decoded = read_text(path)
    entries: list[tuple[str, list[str]]] = []
    before = 0
    for line in decoded.text.splitlines():
        name, tab, caption = line.partition("\t")
        if tab and name.strip().startswith("ROCO_"):
            entries.append((name.strip(), [caption.strip()]))
        elif entries:
            entries[-1][1].append(line.strip())
        else:
            before += bool(line.strip())
    if not entries:
        raise InputError(f"{path}: no line has an id, a tab and a caption; download it again from {_V1_FROM}")
    where = "/".join(path.parts[-3:])
    if decoded.replaced:
        notes.append(f"{decoded.replaced} bytes of {where} that are not {decoded.encoding} were replaced by U+FFFD")
    if before:
        notes.append(f"{before} lines of {where} come before the first id and were left out")
    yield from ((name, " ".join(filter(None, caption))) for name, caption in entries)


IMPORTER = Importer(
    RocoSettings,
    read_roco,
    "Pack ROCO or ROCOv2 (figures of articles with captions).\n\n"
    "ROOT holds data/train/radiology/captions.txt with images/ beside it, and so on (ROCO), or train_captions.csv, "
    "valid_captions.csv and test_captions.csv with train/, valid/ and test/ (ROCOv2). The official splits are kept; a "
    "figure's caption is its report.",
    "/data/roco my-shards --size 512",
)
