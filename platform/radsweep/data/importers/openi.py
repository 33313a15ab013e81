"""Open-i's chest X-rays of Indiana University: the XML reports with NLMCXR_png, or their widely used CSV form.

Source: Demner-Fushman et al., "Preparing a collection of radiology examinations for distribution and retrieval", JAMIA
2016 (https://openi.nlm.nih.gov/faq#collection). It has no official splits and no patient ids.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from pydantic import Field

from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.published_files import (
    PublishedFile,
    find_known,
    image_below,
    known_table,
    missing_message,
    optional,
    visible,
)
from radsweep.data.importers.toolkit.sections import NO_SECTION, SectionChooser, SectionSettings
from radsweep.data.importers.toolkit.views_and_labels import ViewSettings, keep_views
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for numpy
    from radsweep.data.packing.image_cache import Progress

BROKEN_XML = "report file is not valid XML"
NOT_IN_TABLE = "study not in the table of reports"
_UNKNOWN = {"", "no indexing", "nan"}  # headings of a study that was not indexed
_CSV_FROM = "the CSV form of Open-i, https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university"
_XML_FROM = "Open-i's collection, https://openi.nlm.nih.gov/faq#collection"
_REPORTS = PublishedFile(("indiana_reports.csv",), _CSV_FROM)
_PROJECTIONS = PublishedFile(("indiana_projections.csv",), _CSV_FROM)
_XML = PublishedFile(("ecgen-radiology", "NLMCXR_reports/ecgen-radiology"), f"NLMCXR_reports.tgz of {_XML_FROM}")
_PNG = PublishedFile(("NLMCXR_png", "images"), f"NLMCXR_png.tgz of {_XML_FROM}")
_CSV_PNG = PublishedFile(("images/images_normalized", "images_normalized", "images", "NLMCXR_png"), _CSV_FROM)


class OpeniSettings(ViewSettings, SectionSettings):
    """Options of `radsweep pack openi`."""

    label_studies: int = Field(
        10,
        ge=1,
        description="least number of studies with a MeSH heading that becomes a label; most of over 100 are rare",
    )


@dataclass(frozen=True)
class _Study:
    """A report: its sections, its headings (None if it was not indexed), its images as (paths in ROOT, view)."""

    uid: str
    sections: Mapping[str, str] | None  # None if no report is known
    headings: frozenset[str] | None
    images: tuple[tuple[tuple[str, ...], str], ...]
    fault: str = ""


def read_openi(settings: OpeniSettings, root: Path, progress: Progress) -> Source:
    """Return a row for each image, and one for each report without an image. Raises InputError."""
    form = _form(root)
    studies = list(_from_csv(root) if form == "csv" else _from_xml(root))
    chooser = SectionChooser(settings.sections, settings.missing)
    headings = Counter(name for study in studies for name in study.headings or ())
    classes = sorted(name for name, count in headings.items() if count >= settings.label_studies)
    rows: list[SourceRow] = []
    for study in tracked(studies, progress):
        report = "" if study.sections is None else chooser.choose(study.sections)
        reason = NOT_IN_TABLE if study.sections is None else NO_SECTION
        known = study.headings
        labels = {name: None if known is None else float(name in known) for name in classes}
        for files, view in study.images or (((), ""),):
            rows.append(
                SourceRow(
                    number=len(rows) + 1,
                    patient=study.uid,
                    study=study.uid,
                    report=report,
                    no_report="" if report else reason,
                    files=files,
                    view=view,
                    labels=labels,
                    fault=study.fault,
                )
            )
    kept, views, notes = keep_views(rows, settings.views)
    notes += [chooser.note, "patients are not known: each study counts as its own patient"]
    if len(classes) < len(headings):
        rare = len(headings) - len(classes)
        notes.append(
            f"{rare} of {len(headings)} headings are not labels: each is in fewer than {settings.label_studies} studies"
        )
    notes.append("a heading is 0 in studies that were indexed without it, unknown in those that were not indexed")
    needs = Requirements(without_report=settings.without_reports, without_image=settings.without_images)
    recorded = {"splits": "by seed", "form": form, "label_studies": settings.label_studies, **views, **chooser.recorded}
    return Source(kept, needs, recorded, notes)


def _form(root: Path) -> Literal["csv", "xml"]:
    if optional(root, _REPORTS) or optional(root, _PROJECTIONS):
        return "csv"
    if optional(root, _XML):
        return "xml"
    raise InputError(
        f"{missing_message(root, _XML)}\n{missing_message(root, _REPORTS)}\none of the two forms is needed"
    )


def _from_csv(root: Path) -> Iterator[_Study]:
    """Yield studies in the order of the reports, then those that only have images."""
    reports_path, projections_path, pictures = find_known(root, _REPORTS, _PROJECTIONS, _CSV_PNG)
    images, reported = defaultdict(list), set()
    for row in known_table(projections_path, ("uid", "filename", "projection")).rows:
        images[row["uid"]].append((image_below(pictures, row["filename"], root), row["projection"]))
    for row in known_table(reports_path, ("uid", "Problems", "comparison", "findings", "impression")).rows:
        reported.add(row["uid"])
        yield _Study(row["uid"], row, _headings(row["Problems"].split(";")), tuple(images[row["uid"]]))
    for uid in [uid for uid in images if uid not in reported]:
        yield _Study(uid, None, None, tuple(images[uid]))


def _from_xml(root: Path) -> Iterator[_Study]:
    folder, pictures = find_known(root, _XML, _PNG)
    paths = sorted(visible(folder.glob("*.xml")), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise InputError(f"{folder}: no XML files; they come with {_XML.comes_from}")
    for path in paths:
        try:
            tree = ElementTree.parse(path).getroot()
        except (ElementTree.ParseError, OSError, ValueError, LookupError):  # the last two: of an unknown encoding
            yield _Study(path.stem, None, None, ((image_below(folder, path.name, root), ""),), fault=BROKEN_XML)
            continue
        sections = {
            part.get("Label", "").lower(): "".join(part.itertext()).strip() for part in tree.iter("AbstractText")
        }
        headings = _headings(heading.text or "" for heading in tree.iterfind("MeSH/major"))
        names = [f"{image.get('id')}.png" for image in tree.iter("parentImage")]
        images = tuple((image_below(pictures, name, root), "") for name in names)
        yield _Study(path.stem, sections, headings, images)


def _headings(terms: Iterable[str]) -> frozenset[str] | None:
    """Return MeSH headings without their qualifiers (`Cardiomegaly/borderline`), or None if there are none."""
    names = frozenset(term.split("/")[0].strip() for term in terms) - {""}
    known = frozenset(name for name in names if name.casefold() not in _UNKNOWN)
    return known or None


IMPORTER = Importer(
    OpeniSettings,
    read_openi,
    "Pack Open-i's chest X-rays (Indiana University).\n\n"
    "ROOT holds ecgen-radiology/ and NLMCXR_png/, or indiana_reports.csv, indiana_projections.csv and the images. "
    "The data has no official splits, so splits are made by seed. Labels are the indexed headings; in the XML form the "
    "view of an image is not known.",
    "/data/openi my-shards --sections findings+impression",
)
