"""CheXpert 1.0 (also -small), and the reports of CheXpert Plus where its table lies beside it.

Sources: Irvin et al., AAAI 2019 (https://stanfordmlgroup.github.io/competitions/chexpert/); Chambon et al., 2024,
arXiv 2405.19538 (https://aimi.stanford.edu/datasets/chexpert-plus).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from radsweep.data.importers import chexpert_files as files
from radsweep.data.importers.contract import Importer, Source, tracked
from radsweep.data.importers.known import Known, find_known, known_table, optional
from radsweep.data.importers.radiographs import (
    CHEXPERT_CLASSES,
    FlagReader,
    UncertainSettings,
    ViewSettings,
    keep_views,
    plane,
)
from radsweep.data.importers.sections import NO_SECTION, SectionChooser, SectionSettings
from radsweep.data.labels import Labels
from radsweep.data.rows import SourceRow
from radsweep.data.splits import set_validation_aside
from radsweep.data.studies import Needs
from radsweep.data.tables import Row
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow and numpy
    from radsweep.data.schema import Split
    from radsweep.data.spool import Progress

NOT_IN_PLUS = "study not in the table of CheXpert Plus"
_PLUS = Known(("df_chexpert_plus*.csv",), "CheXpert Plus, https://aimi.stanford.edu/datasets/chexpert-plus")
_VIEW_COLUMNS = ("Frontal/Lateral", "AP/PA")
_SECTIONS = {"findings": "section_findings", "impression": "section_impression", "comparison": "section_comparison"}


class ChexpertSettings(ViewSettings, UncertainSettings, SectionSettings):
    """Options of `radsweep pack chexpert`."""

    valid: Literal["validation", "test"] = Field(
        "validation",
        description="split of valid.csv, which radiologists labelled; with test, validation is set aside from train",
    )


def read_chexpert(settings: ChexpertSettings, root: Path, progress: Progress) -> Source:
    """A row for each image of train.csv, valid.csv and, where it is there, test.csv. Raises InputError."""
    train, valid, *_ = find_known(root, files.TRAIN, files.VALID, files.TRAIN_IMAGES, files.VALID_IMAGES)
    tables: list[tuple[Path, Split]] = [(train, "train"), (valid, settings.valid)]
    test = optional(root, files.TEST)
    if test and settings.valid == "test":
        raise InputError(f"{test}: there is a test table, so valid.csv is no test split; leave --valid test out")
    if test:
        tables.append((test, "test"))
    flags = FlagReader(CHEXPERT_CLASSES, settings.uncertain)
    columns = ("Path", *CHEXPERT_CLASSES)
    listed = [
        (split, path, f"{path}: row {number}", row)
        for path, split in tables
        for number, row in enumerate(known_table(path, columns, _VIEW_COLUMNS).rows, 1)
    ]
    batch_of = files.train_batches(root)
    rows = []
    for number, (split, path, where, row) in enumerate(tracked(listed, progress), 1):
        inside = files.inside(row["Path"], where)
        found = files.find_image(path, inside, root, batch_of)
        rows.append(_row(number, inside, found, row, split, flags.read(row, where)))
    for path, split in tables:
        files.require_images(path, [row for row in rows if row.split == split], root)
    if settings.valid == "test":
        aside = set_validation_aside(
            (row.patient for row in rows if row.split == "train"), settings.split_fractions, settings.seed
        )
        rows = [replace(row, split=aside[row.patient]) if row.split == "train" else row for row in rows]
    plus = optional(root, _PLUS)
    chooser = SectionChooser(settings.sections, settings.missing)
    if plus:
        rows = _with_reports(rows, plus, chooser)
    kept, views, notes = keep_views(rows, settings.views)
    notes.append(flags.note)
    if plus:
        notes.append(chooser.note)
    if not test and settings.valid == "validation":
        notes.append("there is no test split: zero-shot classification and linear probe need one (--valid test)")
    if not plus:
        notes.append("there are no reports: the images are no pairs, and serve adaptation and evaluation by labels")
    needs = Needs(report=bool(plus), without_report=settings.without_reports, without_image=settings.without_images)
    recorded = {
        "splits": "official",
        "valid": settings.valid,
        **flags.recorded,
        **views,
        **(chooser.recorded if plus else {}),
    }
    return Source(kept, needs, recorded, notes)


def _row(number: int, inside: str, found: tuple[str, ...], row: Row, split: Split, labels: Labels) -> SourceRow:
    _, patient, study, name = inside.split("/")
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
    """Frontal/Lateral, else the file's name, says which; AP/PA (at times LL) only how a frontal one was taken."""
    side = (row.get("Frontal/Lateral") or name.rpartition("_")[2].split(".")[0]).capitalize()
    taken = row.get("AP/PA", "")
    return taken if side == "Frontal" and plane(taken) == "frontal" else side


def _with_reports(rows: Sequence[SourceRow], plus: Path, chooser: SectionChooser) -> list[SourceRow]:
    """Rows with the report of their study, which all its images share in the table of CheXpert Plus."""
    table = known_table(plus, ("path_to_image", "section_findings", "section_impression"), ("section_comparison",))
    texts: dict[str, str] = {}  # by patient00001/study1
    for told in table.rows:
        study = "/".join(told["path_to_image"].split("/")[-3:-1])
        if study not in texts:
            texts[study] = chooser.choose({name: told.get(column, "") for name, column in _SECTIONS.items()})
    paired = []
    for row in rows:
        text = texts.get(f"{row.patient}/{row.study}")
        reason = "" if text else (NOT_IN_PLUS if text is None else NO_SECTION)
        paired.append(replace(row, report=text or "", no_report=reason))
    return paired


IMPORTER = Importer(
    ChexpertSettings,
    read_chexpert,
    "Pack CheXpert, with the reports of CheXpert Plus where they are.\n\n"
    "ROOT holds train.csv, valid.csv (and test.csv, where you have it) beside train/ and valid/, or the folders of the "
    "full-size download, 'CheXpert-v1.0 batch 1 (validate & csv)' to 'batch 4 (train 3)'; put "
    "df_chexpert_plus_240401.csv there for the reports. Without reports the images are packed alone, for adaptation "
    "and evaluation by labels. Labels that are uncertain (-1) or not mentioned are unknown.",
    "/data/CheXpert-v1.0-small my-shards --valid test --views frontal",
)
