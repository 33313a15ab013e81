"""MIMIC-CXR-JPG 2.x: JPEG images and labels, with the reports of MIMIC-CXR, which are published separately.

Source: Johnson et al., MIMIC-CXR-JPG, PhysioNet (https://physionet.org/content/mimic-cxr-jpg/).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from radsweep.data.importers.mimic_reports import mimic_sections, report_reader
from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.published_files import PublishedFile, find_known, image_files, known_table
from radsweep.data.importers.toolkit.sections import NO_SECTION, SectionChooser, SectionSettings
from radsweep.data.importers.toolkit.views_and_labels import (
    CHEXPERT_CLASSES,
    FlagReader,
    UncertainSettings,
    ViewSettings,
    keep_views,
)
from radsweep.data.packing.labels import Labels
from radsweep.data.packing.rows import NO_SPLIT, SourceRow
from radsweep.data.packing.splits import split_of_name
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for numpy
    from radsweep.data.packing.image_cache import Progress

NO_REPORT_FILE = "report file not found"
_IMAGES_FROM = "MIMIC-CXR-JPG, https://physionet.org/content/mimic-cxr-jpg/"
_REPORTS_FROM = "MIMIC-CXR (the reports are not in MIMIC-CXR-JPG), https://physionet.org/content/mimic-cxr/"
_METADATA = PublishedFile(("mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.*-metadata.csv.gz"), _IMAGES_FROM)
_SPLIT = PublishedFile(("mimic-cxr-2.0.0-split.csv.gz", "mimic-cxr-2.*-split.csv.gz"), _IMAGES_FROM)
_FILES = PublishedFile(("files",), _IMAGES_FROM)
_REPORTS = PublishedFile(
    ("mimic-cxr-reports.zip", "mimic-cxr-reports", "files"),
    _REPORTS_FROM,
)
_VIEW_WORDS = "ViewCodeSequence_CodeMeaning"  # "postero-anterior", even if ViewPosition is empty


class MimicSettings(ViewSettings, UncertainSettings, SectionSettings):
    """Options of `radsweep pack mimic-cxr-jpg`."""

    sections: tuple[str, ...] = Field(
        ("impression", "findings", "last_paragraph", "comparison"),
        description=SectionSettings.model_fields["sections"].description,
    )
    labels: Literal["chexpert", "negbio", "none"] = Field(
        "chexpert", description="labeller of the reports whose labels are used"
    )
    reports: Path | None = Field(
        None,
        description="the reports: mimic-cxr-reports.zip, or the folder with p10 to p19 (default: search in ROOT)",
    )


def read_mimic(settings: MimicSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image of the metadata table. Raises InputError."""
    wanted = [_METADATA, _SPLIT, _FILES, *([] if settings.labels == "none" else [_labels(settings.labels)])]
    metadata_path, split_path, _, *labels_path = find_known(root, *wanted)
    place = settings.reports or find_known(root, _REPORTS)[0]
    read, chooser = report_reader(place), SectionChooser(settings.sections, settings.missing)

    @cache
    def report(path: str) -> tuple[str, str]:
        """Return the text used as the report, and the reason if there is none."""
        text = read(path)
        chosen = "" if text is None else chooser.choose(mimic_sections(text))
        return chosen, "" if chosen else (NO_REPORT_FILE if text is None else NO_SECTION)

    metadata = known_table(metadata_path, ("dicom_id", "subject_id", "study_id", "ViewPosition"), (_VIEW_WORDS,))
    split_of = {row["dicom_id"]: row["split"] for row in known_table(split_path, ("dicom_id", "split")).rows}
    flags = FlagReader(CHEXPERT_CLASSES, settings.uncertain)
    labels_of = _labels_by_study(labels_path[0], flags) if labels_path else {}
    rows = []
    for number, row in enumerate(tracked(metadata.rows, progress), 1):
        study = f"p{row['subject_id'][:2]}/p{row['subject_id']}/s{row['study_id']}"
        text, no_report = report(f"{study}.txt")
        split = split_of_name(split_of.get(row["dicom_id"], ""))
        rows.append(
            SourceRow(
                number=number,
                patient=row["subject_id"],
                study=row["study_id"],
                report=text,
                no_report=no_report,
                files=image_files(f"files/{study}/{row['dicom_id']}.jpg"),
                view=row["ViewPosition"] or row.get(_VIEW_WORDS, ""),
                split=split,
                labels=labels_of.get(row["study_id"], {}),
                fault="" if split else NO_SPLIT,
            )
        )
    if all(row.no_report == NO_REPORT_FILE for row in rows) and not settings.without_reports:
        raise InputError(
            f"{place}: contains no report of the {len({row.study for row in rows})} studies; they come with "
            f"{_REPORTS.comes_from}. Put mimic-cxr-reports.zip into ROOT, give its path with --reports, or use "
            "--without-reports to pack only images"
        )
    kept, views, notes = keep_views(rows, settings.views)
    notes += [chooser.note, *([flags.note] if labels_path else [])]
    recorded = {
        "splits": "official",
        "labels": settings.labels,
        **(flags.recorded if labels_path else {}),
        **views,
        **chooser.recorded,
    }
    needs = Requirements(without_report=settings.without_reports, without_image=settings.without_images)
    return Source(kept, needs, recorded, notes)


def _labels(name: str) -> PublishedFile:
    return PublishedFile((f"mimic-cxr-2.0.0-{name}.csv.gz", f"mimic-cxr-2.*-{name}.csv.gz"), _IMAGES_FROM)


def _labels_by_study(path: Path, flags: FlagReader) -> dict[str, Labels]:
    table = known_table(path, ("study_id", *CHEXPERT_CLASSES))
    return {row["study_id"]: flags.read(row, f"{path}: row {number}") for number, row in enumerate(table.rows, 1)}


IMPORTER = Importer(
    MimicSettings,
    read_mimic,
    "Pack MIMIC-CXR-JPG with the reports of MIMIC-CXR.\n\n"
    "ROOT holds files/ and the tables mimic-cxr-2.0.0-metadata, -split and -chexpert (or -negbio); the reports are in "
    "files/ too, or next to it as mimic-cxr-reports.zip. The official splits are kept; a pair is a study with all its "
    "views. The text of a report is the first section of --sections that it has. Labels that are uncertain or not "
    "mentioned are unknown.",
    "/data/mimic-cxr-jpg my-shards --views frontal --size 512",
)
