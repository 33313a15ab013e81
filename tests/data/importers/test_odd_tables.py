"""Odd tables of `radsweep pack csv`: the right rows and words, or one line that says what to do."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from radsweep.cli.app import app
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.errors import InputError

Packed = tuple[Any, list[dict]]
HEADER = ("image", "report", "patient")
ROWS = [(f"{i}.png", f"Lungs clear – no effusion, study {i}.", f"SECRET{i}") for i in range(6)]


def as_csv(rows: list[tuple[str, ...]] = ROWS, header: tuple[str, ...] = HEADER, **options: Any) -> str:
    text = io.StringIO()
    csv.writer(text, **options).writerows([header, *rows])
    return text.getvalue()


@pytest.fixture
def root(tmp_path: Path, make_png: Callable[..., bytes]) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    for i in range(6):
        (root / f"{i}.png").write_bytes(make_png(i))
    return root


@pytest.fixture
def pack(root: Path) -> Callable[..., Packed]:
    """Return `pack(content, name, **settings)`: writes the table, packs, and returns the result and its studies."""

    def run(content: str | bytes, name: str = "metadata.csv", **settings: Any) -> Packed:
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        out = root.parent / f"out-{name}"
        columns = {"image": "image", "report": "report", "patient": "patient"}
        packed = pack_source("csv", CsvSettings(**{**columns, "table": Path(name), **settings}), root, out)
        shards = packed.manifest.shards
        return packed, [study for shard in shards for study in pq.read_table(out / shard.path).to_pylist()]

    return run


def reports(studies: list[dict]) -> list[str]:
    return sorted(study["report"] for study in studies)


ALL = sorted(row[1] for row in ROWS)


# One byte that is not UTF-8


@pytest.mark.parametrize(
    ("broken", "line"),
    [("study 3", 5), ("effusion, study 5", 7), ("Lungs clear – no effusion, study 0", 2)],
)
def test_one_byte_that_is_not_utf_8_is_refused_with_its_line_or_replaced(
    pack: Callable[..., Packed], broken: str, line: int
) -> None:
    content = as_csv().encode().replace(broken.encode(), broken.encode()[:-1] + b"\xe9", 1)
    for encoding in ("auto", "utf-8"):
        with pytest.raises(
            InputError, match=rf"line {line} has a byte that is not utf-8; the rest is.*replace"
        ) as raised:
            pack(content, encoding=encoding)
        assert "SECRET" not in str(raised.value)
        assert "--encoding auto" not in str(raised.value)
    packed, studies = pack(content, encoding_errors="replace")
    assert len(set(reports(studies)) & set(ALL)) == 5
    assert sum("�" in report for report in reports(studies)) == 1
    assert "1 bytes of the table that are not utf-8 were replaced by U+FFFD" in packed.manifest.notes


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Cardiomégalie modérée. Épanchement pleural à gauche, sans pneumothorax. Œdème.", "cp1252"),
        ("Płuca bez zmian ogniskowych. Kąty przeponowo-żebrowe wolne. Sylwetka serca powiększona.", "cp1250"),
        ("双肺纹理增多，心影增大，未见明显胸腔积液。建议复查。", "gb18030"),
    ],
)
def test_a_table_that_is_in_an_older_encoding_as_a_whole_is_read(
    pack: Callable[..., Packed], text: str, encoding: str
) -> None:
    rows = [(image, f"{text} {i}", patient) for i, (image, _, patient) in enumerate(ROWS)]
    packed, studies = pack(as_csv(rows).encode(encoding))
    assert reports(studies) == [f"{text} {i}" for i in range(6)]
    assert f"the table was read as {encoding}" in packed.manifest.notes


def test_a_table_of_two_encodings_is_refused(pack: Callable[..., Packed]) -> None:
    rows = [(image, "Épanchement modéré à gauche.", patient) for image, _, patient in ROWS]
    half = as_csv(rows[:3]).encode() + as_csv(rows[3:]).split("\r\n", 1)[1].encode("cp1252")
    with pytest.raises(InputError, match=r"line 5 has a byte that is not utf-8, one of 12 such bytes"):
        pack(half)


# Formats


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sep.csv", "sep=;\r\n" + as_csv(delimiter=";")),
        ("SEP.CSV", '"sep=|"\n' + as_csv(delimiter="|")),
        ("trailing.csv", as_csv([(*row, "", "") for row in ROWS], (*HEADER, "", ""))),
        ("index.csv", as_csv([(str(i), *row) for i, row in enumerate(ROWS)], ("", *HEADER))),
        ("repeated.csv", as_csv([(*row, "a", "b") for row in ROWS], (*HEADER, "notes", "notes"))),
        ("quoted.csv", as_csv([(*row, "m") for row in ROWS], (*HEADER, "sex (m; f; other; none; x)")).replace(
            "sex (m; f; other; none; x)", '"sex (m; f; other; none; x)"')),
        ("commas.tsv", as_csv([(*row, "x") for row in ROWS], (*HEADER, "age, sex, site, side"), delimiter="\t")),
        ("commas.txt", as_csv([(*row, "x") for row in ROWS], (*HEADER, "age, sex, site, side"), delimiter="\t")),
        ("bom.csv", b"\xef\xbb\xbf" + as_csv().encode()),
        ("two_boms.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + as_csv().encode()),
        ("blank_line.csv", "\r\n" + as_csv()),
        ("utf16_le.csv", as_csv().encode("utf-16-le")),
        ("utf16_be.csv", as_csv().encode("utf-16-be")),
        ("utf32.csv", as_csv().encode("utf-32")),
        ("M.CSV.GZ", gzip.compress(as_csv().encode())),
        ("no_suffix", gzip.compress(as_csv().encode())),
        ("m.csv.bz2", bz2.compress(as_csv().encode())),
        ("m.csv.xz", lzma.compress(as_csv().encode())),
        ("nul.csv", as_csv().replace("clear", "cl\0ear")),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)  # fmt: skip
def test_a_table_is_recognised_by_its_content(pack: Callable[..., Packed], name: str, content: str | bytes) -> None:
    assert reports(pack(content, name)[1]) == ALL


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_zip_with_one_table_is_read_and_its_mac_files_are_passed_over(pack: Callable[..., Packed]) -> None:
    content = zipped({"m.csv": as_csv().encode(), "__MACOSX/._m.csv": b"x", ".DS_Store": b"x"})
    assert reports(pack(content, "m.csv.zip")[1]) == ALL
    with pytest.raises(InputError, match="a ZIP archive of 2 files, expected one table; unpack it"):
        pack(zipped({"a": b"1", "b": b"2"}), "two.zip")


@pytest.mark.parametrize("name", ["M.PARQUET", "m.csv", "m.parquet.gz"])
def test_parquet_is_recognised_by_its_content(pack: Callable[..., Packed], name: str) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table(dict(zip(HEADER, zip(*ROWS, strict=True), strict=True))), file)
    content = gzip.compress(file.getvalue()) if name.endswith(".gz") else file.getvalue()
    assert reports(pack(content, name)[1]) == ALL


def excel(*sheets: list[tuple[object, ...]]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book, file = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(file)
    return file.getvalue()


def test_an_excel_file_is_read(pack: Callable[..., Packed]) -> None:
    rows = [(*row, i, None) for i, row in enumerate(ROWS)]
    packed, studies = pack(excel([], [(*HEADER, "age"), *rows], [("x",), ("y",)]), "m.xlsx")
    assert reports(studies) == ALL
    assert any("the first sheet of the Excel file was read; 1 more" in note for note in packed.manifest.notes)


def test_an_excel_file_without_openpyxl_or_damaged_says_what_to_do(
    pack: Callable[..., Packed], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = zipped({"[Content_Types].xml": b"<x", "xl/workbook.xml": b"<x"})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openpyxl", None)
        with pytest.raises(InputError, match=r"is an Excel file, which needs openpyxl; install it \(pip install"):
            pack(broken, "m.xlsx")
    pytest.importorskip("openpyxl")
    with pytest.raises(InputError, match="the Excel file is damaged; save it again, or as CSV"):
        pack(broken, "m.xlsx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": [{"id": "SECRET", "report": "Clear."}]}', "is a JSON file, expected CSV, TSV, Parquet or Excel"),
        ('{"id": "SECRET"}\n{"id": "b"}\n', "is a JSON file"),
        ("<!DOCTYPE html>\n<html>SECRET</html>", "is a web page"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1SECRET", "an old Excel file"),
        (b"%PDF-1.7 SECRET", "is a PDF"),
        (gzip.compress(b"SECRET\0" * 36 + b"\0" * 5 + b"ustar\0"), "is a tar archive"),
        (gzip.compress(as_csv().encode())[:60], "the compressed table is damaged"),
        (zipped({"a": b"SECRET"})[:-20], "is a damaged ZIP archive"),
        (bytes(range(256)) * 40, "is not a table of text"),
        ("image,report,report\n1.png,a,b\n", "--report: the header names report twice; rename one of them"),
        ("image,report,patient,\n1.png,Clear, dry,SECRET\n", r"row 1 \(line 2\) has a value in a column without a"),
        ("SECRET.png,SECRET report,SECRET\n1.png,Clear.,b\n", "the first line does not look like a header"),
        ("ima\x1bge,report,patient\n" + "1.png,Clear.,b\n" * 5, r"columns: ima\?ge, report, patient"),
        ("", "no rows"),
    ],
)  # fmt: skip
def test_another_format_is_named_and_none_of_its_content_is_shown(
    pack: Callable[..., Packed], content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        pack(content)
    assert "SECRET" not in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_delimiter_can_be_given(pack: Callable[..., Packed]) -> None:
    assert reports(pack(as_csv(delimiter="^"), delimiter="^")[1]) == ALL
    assert reports(pack(as_csv(delimiter="\t"), "tab.csv", delimiter="tab")[1]) == ALL
    with pytest.raises(ValueError, match="expected one character"):
        CsvSettings(delimiter="::")


def test_commas_in_most_reports_do_not_decide_on_the_delimiter(pack: Callable[..., Packed]) -> None:
    rows = [(image, "No, no, no, and no, study.", patient) for image, _, patient in ROWS]
    text = as_csv(rows, delimiter=";", quoting=csv.QUOTE_MINIMAL)
    assert reports(pack(text)[1]) == ["No, no, no, and no, study."] * 6


# Ids and splits


@pytest.mark.parametrize("null", ["nan", "None", "null", "<NA>", "#N/A", "-", "unknown", ""])
def test_a_missing_id_is_nobody_and_a_missing_study_is_a_study_of_its_own(
    pack: Callable[..., Packed], null: str
) -> None:
    rows = [(image, report, null if i % 2 else patient) for i, (image, report, patient) in enumerate(ROWS)]
    packed, _ = pack(as_csv(rows))
    assert (packed.packed, packed.manifest.dropped) == (3, {"no patient id": 3})
    rows = [(*row[:2], "one", null) for row in ROWS]
    packed, studies = pack(as_csv(rows, (*HEADER, "study")), "studies.csv", study="study")
    assert (packed.packed, len(studies), packed.manifest.dropped) == (6, 6, {})


def test_missing_studies_without_a_patient_column_are_not_one_patient(pack: Callable[..., Packed]) -> None:
    packed, _ = pack(as_csv([(*row[:2], "nan") for row in ROWS]), patient=None, study="patient")
    assert sum(packed.manifest.patients["pairs"].values()) == 6


def test_a_row_with_a_missing_split_is_dropped(pack: Callable[..., Packed]) -> None:
    splits = ["train", "nan", "test", "None", "valid", ""]
    rows = [(*row, split) for row, split in zip(ROWS, splits, strict=True)]
    packed, _ = pack(as_csv(rows, (*HEADER, "fold")), split="fold")
    assert packed.manifest.dropped == {"no split given": 3}


# Reports


def test_what_software_writes_for_no_text_is_a_placeholder(pack: Callable[..., Packed]) -> None:
    none = [
        "&nbsp;",
        "<p></p>",
        "#N/A",
        "\\N",
        "#REF!",
        "XXXX XXXX",
        "[REDACTED]",
        "xxx",
        "<br/>",
        "None None",
        "____ ___.",
    ]
    for start in range(0, len(none), 5):
        rows = [(ROWS[i][0], text, ROWS[i][2]) for i, text in enumerate(none[start : start + 5])]
        packed, studies = pack(as_csv([*rows, ROWS[5]]), f"{start}.csv")
        assert packed.manifest.dropped == {"report is a placeholder": len(rows)}
        assert reports(studies) == [ROWS[5][1]]


def test_remnants_of_web_pages_and_spreadsheets_are_removed_and_counted(pack: Callable[..., Packed]) -> None:
    texts = ["<p>Heart &lt; 15&nbsp;cm.</p>", "Clear._x000D_\nDry.", "Edema <5 mm & <NAME>.", "A&amp;amp;B.", "Scar."]
    rows = [(ROWS[i][0], text, ROWS[i][2]) for i, text in enumerate(texts)]
    packed, studies = pack(as_csv(rows))
    assert reports(studies) == ["A&B.", "Clear.\nDry.", "Edema <5 mm & <NAME>.", "Heart < 15 cm.", "Scar."]
    assert any(note.startswith("3 reports were cleaned of HTML") for note in packed.manifest.notes)


# Names of images


def test_images_are_found_if_only_case_unicode_form_or_extension_differ(
    pack: Callable[..., Packed], root: Path, make_png: Callable[..., bytes]
) -> None:
    for i, name in enumerate(
        ["A0.PNG", "Mu\u0308ller1.png", "2.jpeg.png", "sub/Deep/3.PNG", "sub/Deep/4.png", "e.dcm"]
    ):
        (root / f"{i}.png").unlink()
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(make_png(i))
    wanted = ["a0.png", "M\u00fcller1.png", "2.jpeg.jpg", "SUB/deep/3.png", "4.PNG", "e"]
    rows = [(name, *row[1:]) for name, row in zip(wanted, ROWS, strict=True)]
    packed, studies = pack(as_csv(rows))
    assert reports(studies) == ALL
    assert (
        "6 images have names that differ from the source's: case 3, extension 2, Unicode form 1"
        in packed.manifest.notes
    )


def test_an_image_of_another_row_or_one_of_several_is_not_taken(
    pack: Callable[..., Packed], root: Path, make_png: Callable[..., bytes]
) -> None:
    (root / "twin.jpg").write_bytes(make_png(20))
    (root / "twin.dcm").write_bytes(make_png(21))
    (root / "folder").mkdir()
    wanted = ["0.png", "0.jpg", "twin.png", "3.dcm", "3.PNG", "folder"]
    packed, studies = pack(as_csv([(name, *row[1:]) for name, row in zip(wanted, ROWS, strict=True)]))
    assert reports(studies) == [ROWS[0][1]]
    assert packed.manifest.dropped == {
        "image file is ambiguous: several have its name or one like it": 3,
        "image file not found": 1,
        "image path is a folder": 1,
    }


@pytest.mark.parametrize(
    "between", ["0.png;1.png", "0.png | 1.png", "['0.png', '1.png']", "0.png,1.png", "0.png 1.png"]
)
def test_a_cell_may_name_several_files(pack: Callable[..., Packed], between: str) -> None:
    packed, (study,) = pack(as_csv([(between, "Clear.", "a")]))
    assert (len(study["images"]), packed.packed) == (2, 1)


def test_a_file_whose_name_has_a_separator_is_one_file(
    pack: Callable[..., Packed], root: Path, make_png: Callable[..., bytes]
) -> None:
    (root / "a.png,b.png").write_bytes(make_png(30))
    _, (study,) = pack(as_csv([("a.png,b.png", "Clear.", "a")]))
    assert len(study["images"]) == 1


def test_a_pattern_that_matches_an_unread_format_and_hidden_files(
    pack: Callable[..., Packed], root: Path, make_png: Callable[..., bytes]
) -> None:
    rows = [(f"{i}.png", f"Study {i}.", str(i)) for i in range(4)]
    (root / "1.png").rename(root / "1.tif")
    for i in (0, 1):
        (root / f"p{i}").mkdir()
        (root / f"p{i}" / ".DS_Store").write_bytes(b"x")
        (root / f"p{i}" / f"._{i}.png").write_bytes(b"x")
    (root / "p0" / "x.png").write_bytes(make_png(40))
    (root / "1.tif").write_bytes(b"II*\0 no image")
    packed, _ = pack(as_csv(rows), image="{patient}.*")
    assert "image file not found" not in packed.manifest.dropped, "it is there, in a format that is not read"
    assert [drop.row.files for drop in packed.dropped] == [("1.tif",)]
    packed, _ = pack(as_csv(rows[:2]), "hidden.csv", image="p{patient}/*")
    assert packed.manifest.dropped == {"image file not found": 1}


def test_names_of_files_need_not_be_utf_8(pack: Callable[..., Packed], root: Path) -> None:
    for i in range(4):
        (root / f"{i}.png").rename(os.fsdecode(os.fsencode(root) + b"/%d_\xe9.png" % i))
    Path(os.fsdecode(os.fsencode(root) + b"/3_\xe9.png")).write_bytes(b"broken")
    packed, studies = pack(as_csv([(f"{i}.png", f"Study {i}.", str(i)) for i in range(4)]), image="{patient}_*")
    assert (len(studies), packed.packed) == (3, 3)
    assert b"3_\xe9.png" in (root.parent / "out-metadata.csv" / "private" / "dropped.csv").read_bytes()


@pytest.mark.parametrize("below", ["real", "link"])
def test_the_root_may_be_a_link_and_paths_in_the_table_absolute(
    pack: Callable[..., Packed], root: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "real").symlink_to(root)
    start = tmp_path / below
    (root / "metadata.csv").write_text(as_csv([(str(start / name), *rest) for name, *rest in ROWS]))
    settings = CsvSettings(image="image", report="report", patient="patient")
    for number, place in enumerate((root, tmp_path / "link")):
        packed = pack_source("csv", settings, place, tmp_path / f"linked-{number}")
        assert packed.packed == 6


def test_a_path_of_the_table_never_leaves_the_root(pack: Callable[..., Packed], root: Path) -> None:
    outside = root.parent / "secret.png"
    outside.write_bytes((root / "0.png").read_bytes())
    paths = ["../secret.png", str(outside), "x/../../secret.png", "0.png;../secret.png", "..", "3.png"]
    packed, _ = pack(as_csv([(path, *row[1:]) for path, row in zip(paths, ROWS, strict=True)]))
    assert packed.packed == 1
    assert packed.manifest.dropped["image path leaves the root folder"] == 5


def test_the_command_line_shows_one_line_and_no_bytes_of_the_file(root: Path) -> None:
    (root / "m.csv").write_bytes(zipped({"a": b"SECRET", "b": b"SECRET"}))
    ended = CliRunner().invoke(
        app, ["pack", "csv", str(root), str(root.parent / "out"), "--table", "m.csv", "--image", "x"]
    )
    assert isinstance(ended.exception, InputError)
    assert "\n" not in str(ended.exception)
