"""Prepare the rows of any source before their pictures are read: ids, reports and names of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from radsweep.data.packing.image_cache import Progress
from radsweep.data.packing.image_names import Found, ImageNames, NameDifference
from radsweep.data.packing.rows import AMBIGUOUS_IMAGE, IMAGE_IS_FOLDER, PLACEHOLDER_REPORT, SourceRow, identified
from radsweep.data.text.cleaning import clean


def take_in(rows: Sequence[SourceRow], root: Path, progress: Progress) -> tuple[list[SourceRow], list[str]]:
    """Return rows without missing ids and remnants in reports, with the files that their images have in `root`; notes.

    A row whose patient is missing gets a fault. An image that is not found under its name is taken under the only name
    that differs in case, Unicode form or extension, unless that is the image of another name in the source.
    """
    found, faults, differences = _files_of(rows, root, progress)
    ready, cleaned = [], 0
    for row in map(identified, rows):
        report = clean(row.report)
        if report != row.report:
            cleaned += 1
            nothing_left = PLACEHOLDER_REPORT if not report else ""
            row = replace(row, report=report, no_report=row.no_report or nothing_left)
        files = tuple(dict.fromkeys(found.get(path, path) for path in row.files if path not in faults))
        if row.files and not files:
            row = replace(row, fault=row.fault or faults[row.files[0]])
        elif files != row.files:
            row = replace(row, files=files)
        ready.append(row)
    notes = []
    if cleaned:
        notes.append(f"{cleaned} reports were cleaned of HTML, Excel's _x000D_ or control characters")
    if differences:
        listed = ", ".join(f"{name} {count}" for name, count in differences.most_common())
        notes.append(f"{differences.total()} images have names that differ from the source's: {listed}")
    return ready, notes


def _files_of(
    rows: Sequence[SourceRow], root: Path, progress: Progress
) -> tuple[dict[str, str], dict[str, str], Counter[NameDifference]]:
    """Return files by the paths that have another name, faults by those that have none, and counts of differences."""
    wanted = dict.fromkeys(path for row in rows for path in row.files)
    names, similar = ImageNames(root), dict[str, Found]()
    files, faults = dict[str, str](), dict[str, str]()
    for done, path in enumerate(wanted, 1):
        found = names.find(path)
        if found and (found.ambiguous or found.folder):
            faults[path] = AMBIGUOUS_IMAGE if found.ambiguous else IMAGE_IS_FOLDER
        elif found and found.path != path:
            similar[path] = found
        progress("looking for images", done, len(wanted))
    times = Counter(found.path for found in similar.values())
    differences: Counter[NameDifference] = Counter()
    for path, found in similar.items():
        if times[found.path] > 1:
            faults[path] = AMBIGUOUS_IMAGE
        elif found.difference is None or found.path not in wanted:
            files[path] = found.path
            differences.update([found.difference] if found.difference else [])
    return files, faults, differences
