"""Reports of MIMIC-CXR: their files and their sections.

Sections follow the rules of MIMIC-CXR's own `section_parser.py` (https://github.com/MIT-LCP/mimic-cxr). A header is
upper-case text up to a colon at the start of a line, and about 60 spellings are mapped to their names. Empty
impressions and findings do not count, and the last section of a name wins. If there is neither impression nor findings,
the last paragraph is the text after the first blank line of the last section.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from radsweep.data.importers.toolkit.published_files import stays_inside
from radsweep.data.importers.toolkit.text_files import decode_text
from radsweep.data.packing.image_names import is_file
from radsweep.errors import InputError

# A line's text up to the first colon, and the text after it; what may be a header cannot match in two ways, so that a
# line of blanks takes linear time.
_HEADER = re.compile(r"\n?([A-Z ()/,-]++):\s([^\n]*)")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_SPELLINGS = {
    "impression": (
        "conclusion", "findings and impression", "findings/impression", "findings/ impression", "impresson",
        "imprression", "imoression", "impressoin", "imprssion", "impresion", "imperssion", "mpression", "impession",
    ),
    "findings": (
        "finding", "findins", "findindgs", "findgings", "findngs", "findnings", "finidngs", "reference findings",
    ),
    "comparison": (
        "comparisons", "reference exam", "comparison exam", "comparison film", "comparision", "comparsion",
        "comparrison", "comparisions",
    ),
    "indication": (
        "reason for examination", "reason for exam", "clinical indication", "idication", "ndication",
    ),
    "history": ("clinical history", "clinical information", "patient history", "pfi"),
    "examination": ("exam", "type of examination"),
    "technique": (),
    "notification": (),
    "recommendations": ("recommendation(s)", "recommendation"),
    "addendum": (),
    "date": (),
    "comment": (),
    "wet read": ("wetread",),
}  # fmt: skip
_NAME_OF = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in (name, *spellings)}
_WITHIN = (
    "impression",
    "findings",
    "history",
    "comparison",
    "addendum",
)  # a header that contains one of these has its name
_VIEWS = re.compile(
    "chest|portable|pa and lat|lateral and pa|ap and lateral|lateral and ap|frontal and|two views|frontal view|pa view|"
    "ap view|one view|lateral view|bone window|frontal upright|frontal semi-upright|ribs"
)  # a header that names the pictures begins the findings


_LAST_LETTERS = (*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", ")")  # one of which ends a header


def mimic_sections(report: str) -> dict[str, str]:
    """Return the text of each section by its name, by the rules in the module's docstring."""
    headers = list(_headers(report))
    ends = [header.start for header in headers[1:]] + [len(report)]
    texts = [
        (_name(header.text), report[header.end : end])
        for header, end in zip(headers, ends, strict=False)  # one end too many without a header
    ]
    kept = [(name, text) for name, text in texts if text.strip() or name not in ("impression", "findings")]
    sections = {name: _lines(text) for name, text in kept}
    if not {"impression", "findings"} & sections.keys():
        last = kept[-1][1] if kept else report
        paragraphs = _BLANK_LINE.split(last, maxsplit=1)
        sections["last_paragraph"] = _lines(paragraphs[1]) if len(paragraphs) == 2 else ""
    return sections


class _Header(NamedTuple):
    text: str
    start: int  # of its line, with the line break before it
    end: int


def _headers(report: str) -> Iterator[_Header]:
    """Yield the headers at the start of a line.

    The text after a header on its line, or on the next if there is none, is not a header: `IMPRESSION:` above `PA AND
    LATERAL VIEWS: clear.` keeps it.
    """
    start = 0
    while start >= 0:
        match = _HEADER.match(report, start)
        if match and match[1].rstrip(" ").endswith(_LAST_LETTERS):
            yield _Header(match[1], start, match.start(2))
            start = match.end()
        else:
            start += 1
        start = report.find("\n", start)


def report_reader(place: Path) -> Callable[[str], str | None]:
    """Return a function from `p10/p10000032/s50414267.txt` to the text of that report, or None if it does not exist.

    place: the folder with p10 to p19, or with files/ that contains these; or mimic-cxr-reports.zip.

    Raises:
        InputError: the place cannot be read.
    """
    if place.is_dir():
        return _in_folder(place)
    try:
        archive = zipfile.ZipFile(place)
        members = {"/".join(name.split("/")[-3:]): name for name in archive.namelist() if name.endswith(".txt")}
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file or folder; give the place of the reports") from error
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{place}: cannot be read as a ZIP archive; download it again") from error

    def read(path: str) -> str | None:
        try:
            return _text(archive.read(members[path]), place) if path in members else None
        except RuntimeError as error:  # NotImplementedError, of an unknown compression, is one too
            raise InputError(
                f"{place}: the archive has a password or an unknown compression; unpack it and give the folder with "
                "--reports"
            ) from error
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
            raise InputError(f"{place}: the archive is damaged; download it again") from error

    return read


def _in_folder(place: Path) -> Callable[[str], str | None]:
    folder = place / "files" if (place / "files").is_dir() else place

    def read(path: str) -> str | None:
        if not (stays_inside(path) and is_file(folder, path)):
            return None
        try:
            return _text((folder / path).read_bytes(), folder)
        except OSError as error:
            raise InputError(f"{folder}: a report cannot be read: {error.strerror or 'it is damaged'}") from error

    return read


def _name(header: str) -> str:
    header = header.strip().lower()
    if header in _NAME_OF:
        return _NAME_OF[header]
    within = next((name for name in _WITHIN if name in header), "")
    return within or ("findings" if _VIEWS.search(header) else header)


def _text(data: bytes, place: Path) -> str:
    return decode_text(data, place, errors="replace").text.replace("\r\n", "\n")


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
