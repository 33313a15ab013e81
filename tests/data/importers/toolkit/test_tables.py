"""Tables as users have them: encodings, delimiters, missing values, and errors with their place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radsweep.data.importers.toolkit.tables import TextFormat, read_table, require_columns
from radsweep.data.importers.toolkit.text_files import detect_encoding
from radsweep.errors import InputError

TEXT = "id,notes\n1,Fever 38° – he’s well\n2,\n"


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
)
def test_the_encoding_is_detected(tmp_path: Path, encoding: str, found: str) -> None:
    data = (TEXT + "3,Plain text of a longer report without any sign.\n" * 9).encode(encoding)
    (tmp_path / "t.csv").write_bytes(data)
    table = read_table(tmp_path / "t.csv")
    assert table.encoding == found
    assert table.rows[0] == {"id": "1", "notes": "Fever 38° – he’s well"}


def test_text_in_another_script_is_not_read_as_western() -> None:
    russian = "Лёгкие без очаговых и инфильтративных изменений. Корни структурны. Синусы свободны. " * 20
    assert russian.encode("cp1251").decode(detect_encoding(russian.encode("cp1251"))) == russian


def test_a_given_encoding_is_used_or_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(TEXT.encode("latin-1", "replace"))
    assert read_table(tmp_path / "t.csv", TextFormat("latin-1")).rows[0]["notes"].startswith("Fever 38°")
    with pytest.raises(InputError, match="line 2 is not utf-8; try --encoding auto"):
        read_table(tmp_path / "t.csv", TextFormat("utf-8", by_user=True))
    with pytest.raises(InputError, match="line 2 has a byte that is not utf-8; download the file again"):
        read_table(tmp_path / "t.csv", TextFormat("utf-8"))
    with pytest.raises(InputError, match="'utf-99' is not known"):
        read_table(tmp_path / "t.csv", TextFormat("utf-99"))


def test_semicolons_tabs_gz_and_line_breaks_in_quotes_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id;notes\n1;"Clear.\nNo effusion; none."\n\n')
    (tmp_path / "b.tsv").write_text("id\tnotes\n1\tClear, dry.\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"id,notes\r\n1,NA\r\n"))
    assert read_table(tmp_path / "a.csv").rows == ({"id": "1", "notes": "Clear.\nNo effusion; none."},)
    assert read_table(tmp_path / "b.tsv").rows == ({"id": "1", "notes": "Clear, dry."},)
    assert read_table(tmp_path / "c.csv.gz").rows == ({"id": "1", "notes": "NA"},)


def test_parquet_nulls_are_empty_and_whole_floats_are_whole(tmp_path: Path) -> None:
    columns = {"id": [287.0, None], "label": [1, None], "notes": [None, " Clear. "], "score": [0.5, float("nan")]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").rows == (
        {"id": "287", "label": "1", "notes": "", "score": "0.5"},
        {"id": "", "label": "", "notes": "Clear.", "score": ""},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,notes\n1,Clear, dry.\n", r"row 1 \(line 2\) has 3 fields, the header 2"),
        ('id,notes\n1,"Clear.\n', "line 2: unexpected end of data"),
        ("id,notes\n", "no rows"),
        ("", "no rows"),
    ],
)
def test_a_broken_table_is_an_error_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_table(tmp_path / "t.csv")
    assert "Clear" not in str(raised.value)


def test_a_file_that_is_not_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1,notes")
    for name in ("t.parquet", "missing.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_table(tmp_path / name)


def test_a_missing_column_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TEXT)
    with pytest.raises(InputError, match=r"--report: no column note \(did you mean notes\?\); columns: id, notes"):
        require_columns(read_table(tmp_path / "t.csv"), {"--patient": ["id"], "--report": ["note"]})
