"""A folder of images and a table of reports (CSV or Parquet), whose columns the user names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.data.importers.csv_options import CsvSettings, kept_rows, told_conditions
from radsweep.data.importers.toolkit.image_finder import ImageFinder, OutsideRootError
from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.labels import flag_columns, label_reader
from radsweep.data.importers.toolkit.tables import Row, SourceTable, TextFormat, columns_of, read_table, require_columns
from radsweep.data.importers.toolkit.views_and_labels import FlagReader
from radsweep.data.packing.labels import Labels
from radsweep.data.packing.missing import is_missing
from radsweep.data.packing.rows import NO_SPLIT, OUTSIDE_ROOT, SourceRow
from radsweep.data.packing.splits import split_of_name
from radsweep.data.packing.studies import Requirements
from radsweep.errors import InputError

if TYPE_CHECKING:  # else `radsweep --help` would wait for pyarrow and numpy
    from radsweep.data.packing.image_cache import Progress
    from radsweep.data.shards.schema import Split


def read_csv(settings: CsvSettings, root: Path, progress: Progress) -> Source:
    """Return the rows of the table with their images under `root`. Raises InputError."""
    if settings.image is None and settings.report is None:
        raise InputError(
            "no column is given; name the image column or pattern (--image), the report column (--report), or both"
        )
    in_root = root / settings.table
    text_format = TextFormat(settings.encoding, settings.encoding_errors, settings.delimiter, by_user=True)
    named = _named_columns(settings)
    used = {column for columns in named.values() for column in columns}
    table = read_table(in_root if in_root.exists() else settings.table, text_format, used)
    require_columns(table, named)
    numbered = kept_rows(table, settings)
    left_out, keep = len(table.rows) - len(numbered), told_conditions(table, settings)
    numbers, kept = zip(*numbered, strict=True)
    chosen = replace(table, rows=kept, numbers=numbers)
    flagged = flag_columns(chosen, settings.labels)
    of_names = [column for column in settings.labels if column not in flagged]
    flags, names = FlagReader(flagged, settings.uncertain), label_reader(chosen, of_names, others=flagged)
    shared: dict[tuple[str, ...], Labels] = {}  # one object for all rows with the same cells

    def labels(row: Row) -> Labels:
        of_row = flags.read(row, str(table.path))  # counts each row
        return shared.setdefault(tuple(row[column] for column in settings.labels), {**of_row, **names(row)})

    rows = _source_rows(table, tracked(numbered, progress), settings, root, labels)
    notes = [f"the table was read as {table.encoding}"] if settings.encoding == "auto" and table.encoding else []
    notes += table.notes
    if left_out:
        notes.append(f"{left_out} rows were left out by --keep {' '.join(keep)}")
    if flagged:
        notes.append(flags.note)
    if of_names:
        notes.append(
            f"a class named in {', '.join(of_names)} is 0 in rows that only name others, unknown in rows that name none"
        )
    if settings.patient is None:
        notes.append("no patient column was given: each study counts as its own patient")
    needs = Requirements(
        report=settings.report is not None,
        image=settings.image is not None,
        without_report=settings.without_reports,
        without_image=settings.without_images,
    )
    recorded = {**_recorded(settings, keep), "rows_left_out_by_keep": left_out, **(flags.recorded if flagged else {})}
    return Source(rows, needs, recorded, notes)


def _source_rows(
    table: SourceTable,
    numbered: Iterable[tuple[int, Row]],
    settings: CsvSettings,
    root: Path,
    labels: Callable[[Row], Labels],
) -> list[SourceRow]:
    finder = ImageFinder(root, settings.image) if settings.image else None
    pattern = re.compile(settings.patient_pattern) if settings.patient_pattern else None
    rows = []
    for number, row in numbered:
        patient, study = _patient(row, settings.patient, pattern), _study(row, settings.study)
        if settings.patient is None:
            patient = f"row {number}" if study is None else f"study {study}"
        split = _split(table, number, row[settings.split]) if settings.split else None
        fault, files = "", list[str]()
        if settings.split and split is None:
            fault = NO_SPLIT
        elif finder:
            try:
                files = finder.find(row)
            except OutsideRootError:
                fault = OUTSIDE_ROOT
        rows.append(
            SourceRow(
                number=number,
                patient=patient,
                report=row[settings.report] if settings.report else "",
                files=tuple(files),
                study=study,
                view=row[settings.view] if settings.view else "",
                split=split,
                labels=labels(row),
                fault=fault,
            )
        )
    if finder and finder.wild:
        _check_width(table, rows, settings)
    return rows


def _study(row: Row, column: str | None) -> str | None:
    return row[column] if column and not is_missing(row[column]) else None


def _patient(row: Row, column: str | None, pattern: re.Pattern[str] | None) -> str:
    if column is None or not pattern:
        return row[column] if column else ""
    match = pattern.search(row[column])
    return (match[1] or "") if match else ""


def _split(table: SourceTable, number: int, text: str) -> Split | None:
    split = split_of_name(text)
    if split is None and not is_missing(text):
        raise InputError(
            f"{table.path}: row {number}: the split column has a value other than train, validation or test "
            "(valid, val and dev work too). Is it the right column?"
        )
    return split


def _named_columns(settings: CsvSettings) -> dict[str, Sequence[str]]:
    """Return the columns that each option names."""
    image = settings.image or ""
    named: dict[str, Sequence[str]] = {
        "--image": columns_of(image) or ([image] if image and "*" not in image else []),
        "--labels": settings.labels,
        "--keep": [condition.split("=", 1)[0] for condition in settings.keep],
    }
    for option in ("report", "patient", "study", "split", "view"):
        column = getattr(settings, option)
        named[f"--{option}"] = [column] if column else []
    return named


def _check_width(table: SourceTable, rows: Sequence[SourceRow], settings: CsvSettings) -> None:
    """Refuse wildcards that match another patient's files, as `{id}*` gives patient 1 the files of patient 10."""
    owner: dict[str, SourceRow] = {}
    for row in sorted(rows, key=lambda row: len(row.files)):
        for path in row.files:
            first = owner.setdefault(path, row)
            if first.patient != row.patient and len(row.files) > 1:
                raise InputError(
                    f"{table.path}: --image {settings.image} gives rows {first.number} and {row.number}, two patients, "
                    "the same file; put a dot or slash between the column and the wildcard"
                )


def _recorded(settings: CsvSettings, keep: Sequence[str]) -> dict[str, str | int | float | bool]:
    """Return names of columns and patterns. An absolute pattern is left out, since it contains a path of the source."""
    chosen = {
        option: getattr(settings, option)
        for option in ("image", "report", "patient", "patient_pattern", "study", "split", "view")
        if getattr(settings, option) and not str(getattr(settings, option)).startswith("/")
    }
    lists = {"labels": ", ".join(settings.labels), "keep": ", ".join(keep)}
    return {**chosen, **{name: text for name, text in lists.items() if text}}


IMPORTER = Importer(
    CsvSettings,
    read_csv,
    "Pack a folder of images and a table of reports.\n\n"
    "You name the columns. Rows without an image or a report, unreadable images and repeats are excluded from the "
    "pairs, counted and listed by reason. Splits are by patient. Ids are replaced by keyed hashes; key, mapping and "
    "lists stay in OUT/private.",
    "xrays my-shards --table metadata.csv --image 'images/{patientid}.*' \\\n"
    "    --report notes --patient patientid --patient-pattern '^(.*?)[a-c]?$' --keep modality=X-ray",
)
