"""Uncertain and missing labels are never negatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.data.importers.toolkit.labels import flag, flag_columns, label_reader
from radsweep.data.importers.toolkit.tables import SourceTable
from radsweep.data.packing.labels import UNCERTAIN
from radsweep.errors import InputError


def table(column: str, values: list[str]) -> SourceTable:
    return SourceTable(Path("t.csv"), (column,), tuple({column: value} for value in values), "utf-8")


def read(column: str, values: list[str]) -> list[dict]:
    rows = table(column, values)
    reader = label_reader(rows, [column])
    return [dict(reader(row)) for row in rows.rows]


def test_flags_keep_uncertain_and_missing_apart() -> None:
    cells = ["1.0", "0", "-1.0", "", "Yes", "no", "Uncertain", "nan"]
    assert [flag(cell) for cell in cells] == [1, 0, UNCERTAIN, None, 1, 0, UNCERTAIN, None]
    assert flag_columns(table("Edema", cells), ["Edema"]) == ["Edema"]
    assert flag_columns(table("Edema", ["mild", "none", ""]), ["Edema"]) == []
    with pytest.raises(InputError, match="row 9 has another value than a flag"):
        flag_columns(table("Edema", [*cells, "mild"]), ["Edema"])


def test_a_column_in_which_nothing_is_named_has_no_class() -> None:
    assert read("finding", ["", ""]) == [{}, {}]


def test_each_name_is_a_class_and_an_empty_cell_is_unknown_for_all() -> None:
    effusion, both, none = read("finding", ["Effusion", "Nodule|Effusion", ""])
    assert effusion == {"Effusion": 1, "Nodule": 0}
    assert both == {"Effusion": 1, "Nodule": 1}
    assert none == {"Effusion": None, "Nodule": None}


def test_free_text_is_refused_as_a_label_without_being_quoted() -> None:
    with pytest.raises(InputError, match="column notes has 1 different values, the longest of 80 characters") as raised:
        read("notes", ["secret t" * 10])
    assert "secret" not in str(raised.value)
