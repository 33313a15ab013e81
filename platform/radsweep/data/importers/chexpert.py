"""CheXpert 1.0 (also -small), with the reports of CheXpert Plus if its table is in the same folder.

Sources: Irvin et al., AAAI 2019 (https://stanfordmlgroup.github.io/competitions/chexpert/); Chambon et al., 2024,
arXiv 2405.19538 (https://aimi.stanford.edu/datasets/chexpert-plus).

Tables and images are together under a root, or in the batches of the full-size set: `CheXpert-v1.0 batch 1 (validate &
csv)` with the tables and valid/, and `batch 2 (train 1)` to `batch 4 (train 3)` with a folder for each patient. The
tables refer to these folders as `CheXpert-v1.0/train/PATIENT`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.published_files import (
    PublishedFile,
    find_known,
    image_files,
    known_table,
    optional,
    visible,
)
from radsweep.data.importers.toolkit.sections import NO_SECTION, SectionChooser, SectionSettings
from radsweep.data.importers.toolkit.tables import Row
from radsweep.data.importers.toolkit.views_and_labels import (
    CHEXPERT_CLASSES,
    FlagReader,
    UncertainSettings,
    ViewSettings,
    keep_views,
)
from radsweep.data.packing.labels import Labels
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.splits import set_validation_aside
from radsweep.data.packing.studies import Requirements
from radsweep.data.shards.views import plane
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow and numpy
    from radsweep.data.packing.image_cache import Progress
    from radsweep.data.shards.schema import Split


_FROM = "CheXpert, https://stanfordmlgroup.github.io/competitions/chexpert/"
_FIRST_BATCH, _TRAIN_BATCHES = "* batch 1 *", "* batch * (train *)"

NOT_IN_PLUS = "study not in the table of CheXpert Plus"
_PLUS = PublishedFile(("df_chexpert_plus*.csv",), "CheXpert Plus, https://aimi.stanford.edu/datasets/chexpert-plus")
_VIEW_COLUMNS = ("Frontal/Lateral", "AP/PA")
_SECTIONS = {"findings": "section_findings", "impression": "section_impression", "comparison": "section_comparison"}


def _beside_or_first(*names: str) -> PublishedFile:
    return PublishedFile((*names, *(f"{_FIRST_BATCH}/{name}" for name in names)), _FROM)


TRAIN, VALID = _beside_or_first("train.csv"), _beside_or_first("valid.csv")
TEST = _beside_or_first("test.csv", "test_labels.csv")
TRAIN_IMAGES, VALID_IMAGES = PublishedFile(("train", _TRAIN_BATCHES), _FROM), _beside_or_first("valid")


def train_batches(root: Path) -> dict[str, str]:
    """Return the batch that contains each patient of train; empty if train is one folder."""
    batches = [batch for batch in visible(root.glob(_TRAIN_BATCHES)) if batch.is_dir()]
    return {patient.name: batch.name for batch in batches for patient in visible(batch.iterdir())}


def image_path(path: str, where: str) -> str:
    """Return `train/PATIENT/STUDY/NAME` without `CheXpert-v1.0-small/`. Raises InputError that begins with `where`."""
    parts = path.split("/")
    kept = parts[1:] if parts[0].startswith("CheXpert") else parts
    if len(kept) != 4:
        raise InputError(f"{where}: Path is not like CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg")
    return "/".join(kept)


def find_image(table: Path, image: str, root: Path, batch_of: dict[str, str]) -> tuple[str, ...]:
    """Return the files of a row of `table` relative to `root`. image: the `image_path` of its column Path."""
    split, patient, rest = image.split("/", 2)
    if split == "train" and patient in batch_of:
        return image_files(f"{batch_of[patient]}/{patient}/{rest}")
    return image_files(str(table.parent.relative_to(root) / image))


def require_images(table: Path, rows: Sequence[SourceRow], root: Path) -> None:
    """Check that images of a table exist. Raises InputError if none does, since a whole split would be missing."""
    if rows and not any((root / path).is_file() for row in rows for path in row.files):
        raise InputError(
            f"{table}: none of its {len(rows)} images is in {root}; they come with {_FROM}. Unpack the folders of "
            "images into it, next to each other"
        )


class ChexpertSettings(ViewSettings, UncertainSettings, SectionSettings):
    """Options of `radsweep pack chexpert`."""

    valid: Literal["validation", "test"] = Field(
        "validation",
        description="split of valid.csv, labelled by radiologists; with test, validation is set aside from train",
    )


def read_chexpert(settings: ChexpertSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image of train.csv, valid.csv and, if it exists, test.csv. Raises InputError."""
    train, valid, *_ = find_known(root, TRAIN, VALID, TRAIN_IMAGES, VALID_IMAGES)
    tables: list[tuple[Path, Split]] = [(train, "train"), (valid, settings.valid)]
    test = optional(root, TEST)
    if test and settings.valid == "test":
        raise InputError(f"{test}: there is a test table, so valid.csv cannot be the test split; omit --valid test")
    if test:
        tables.append((test, "test"))
    flags = FlagReader(CHEXPERT_CLASSES, settings.uncertain)
    columns = ("Path", *CHEXPERT_CLASSES)
    listed = [
        (split, path, f"{path}: row {number}", row)
        for path, split in tables
        for number, row in enumerate(known_table(path, columns, _VIEW_COLUMNS).rows, 1)
    ]
    batch_of = train_batches(root)
    rows = []
    for number, (split, path, where, row) in enumerate(tracked(listed, progress), 1):
        image = image_path(row["Path"], where)
        found = find_image(path, image, root, batch_of)
        rows.append(_row(number, image, found, row, split, flags.read(row, where)))
    for path, split in tables:
        require_images(path, [row for row in rows if row.split == split], root)
    if settings.valid == "test":
        aside = set_validation_aside(
            (row.patient for row in rows if row.split == "train"), settings.split_fractions, settings.seed
        )
        rows = [replace(row, split=aside[row.patient]) if row.split == "train" else row for row in rows]
    plus = optional(root, _PLUS)
    chooser = SectionChooser(settings.sections, settings.missing)
    differing = 0
    if plus:
        rows, differing = _with_reports(rows, plus, chooser)
    kept, views, notes = keep_views(rows, settings.views)
    if differing:
        notes.append(
            f"studies whose rows in the table of CheXpert Plus differ: {differing}; the first with a usable section was"
            " taken"
        )
    notes.append(flags.note)
    if plus:
        notes.append(chooser.note)
    if not test and settings.valid == "validation":
        notes.append("the data has no test split, which zero-shot classification and linear probe need (--valid test)")
    if not plus:
        notes.append(
            "the data has no reports: its images are not pairs, and can be used for adaptation and evaluation by labels"
        )
    needs = Requirements(
        report=bool(plus), without_report=settings.without_reports, without_image=settings.without_images
    )
    recorded = {
        "splits": "official",
        "valid": settings.valid,
        **flags.recorded,
        **views,
        **(chooser.recorded if plus else {}),
    }
    return Source(kept, needs, recorded, notes)


def _row(number: int, image: str, found: tuple[str, ...], row: Row, split: Split, labels: Labels) -> SourceRow:
    _, patient, study, name = image.split("/")
    return SourceRow(
        number=number,
        patient=patient,
        study=study,
        files=found,
        view=_view(row, name),
        split=split,
        labels=labels,
    )


def _view(row: Row, name: str) -> str:
    """Return the view from Frontal/Lateral, or else the file's name.

    AP/PA (sometimes LL) only gives the projection of a frontal view.
    """
    side = (row.get("Frontal/Lateral") or name.rpartition("_")[2].split(".")[0]).capitalize()
    taken = row.get("AP/PA", "")
    return taken if side == "Frontal" and plane(taken) == "frontal" else side


def _with_reports(rows: Sequence[SourceRow], plus: Path, chooser: SectionChooser) -> tuple[list[SourceRow], int]:
    """Return rows with the report of their study, and the number of studies whose rows in CheXpert Plus differ.

    Its table has a row for each image. The report is that of the study's first row with a usable section.
    """
    table = known_table(plus, ("path_to_image", "section_findings", "section_impression"), ("section_comparison",))
    entries: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)  # by patient00001/study1: its sections, once
    for entry in table.rows:
        study = "/".join(entry["path_to_image"].split("/")[-3:-1])
        entries[study][tuple(entry.get(column, "") for column in _SECTIONS.values())] = None
    texts = {
        study: chooser.choose_first(dict(zip(_SECTIONS, texts, strict=True)) for texts in several)
        for study, several in entries.items()
    }
    paired = []
    for row in rows:
        text = texts.get(f"{row.patient}/{row.study}")
        reason = "" if text else (NOT_IN_PLUS if text is None else NO_SECTION)
        paired.append(replace(row, report=text or "", no_report=reason))
    return paired, sum(len(several) > 1 for several in entries.values())


IMPORTER = Importer(
    ChexpertSettings,
    read_chexpert,
    "Pack CheXpert, with the reports of CheXpert Plus if they are in ROOT.\n\n"
    "ROOT holds train.csv, valid.csv (and test.csv, if you have it) next to train/ and valid/, or the folders of the "
    "full-size download, 'CheXpert-v1.0 batch 1 (validate & csv)' to 'batch 4 (train 3)'; put "
    "df_chexpert_plus_240401.csv there for the reports. Without reports only images are packed, for adaptation "
    "and evaluation by labels. Labels that are uncertain (-1) or not mentioned are unknown.",
    "/data/CheXpert-v1.0-small my-shards --valid test --views frontal",
)
