"""Uncertain and missing labels are never negatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.data.labels import label_reader, merge_labels
from radsweep.data.tables import Table
from radsweep.errors import InputError


def table(column: str, values: list[str]) -> Table:
    return Table(Path("t.csv"), (column,), tuple({column: value} for value in values), "utf-8")


def read(column: str, values: list[str]) -> list[dict]:
    rows = table(column, values)
    reader = label_reader(rows, [column])
    return [dict(reader(row)) for row in rows.rows]


def test_flags_are_one_class_under_the_columns_name() -> None:
    values = read("Edema", ["1.0", "0", "-1.0", "", "Yes", "no"])
    assert [labels["Edema"] for labels in values] == [1, 0, None, None, 1, 0]


def test_names_are_a_class_each_and_an_empty_cell_says_nothing_of_any() -> None:
    effusion, both, none = read("finding", ["Effusion", "Nodule|Effusion", ""])
    assert effusion == {"Effusion": 1, "Nodule": 0}
    assert both == {"Effusion": 1, "Nodule": 1}
    assert none == {"Effusion": None, "Nodule": None}


def test_free_text_is_refused_as_a_label_without_being_quoted() -> None:
    with pytest.raises(InputError, match="column notes has 1 different values, the longest of 80 characters") as raised:
        read("notes", ["secret t" * 10])
    assert "secret" not in str(raised.value)


def test_a_study_has_a_finding_where_any_of_its_images_has() -> None:
    rows = [{"a": 0.0, "b": None, "c": None}, {"a": 1.0, "b": 0.0, "c": None}]
    assert merge_labels(rows) == {"a": 1.0, "b": 0.0, "c": None}
