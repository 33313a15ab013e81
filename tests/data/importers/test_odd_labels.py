"""Label columns of odd tables: each is read as flags or as names, or refused; one cell never changes which."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.importers.toolkit.cell_lists import items
from radsweep.data.shards.schema import Manifest
from radsweep.errors import InputError

Tree = Callable[..., Path]


@pytest.fixture
def labels(tree: Tree) -> Callable[..., tuple[Manifest, dict[str, dict[str, float | None]]]]:
    """Return `labels(A=[...], B=[...])`, which packs a row for each value and returns labels by report."""

    def run(**columns: Sequence[str]) -> tuple[Manifest, dict[str, dict[str, float | None]]]:
        count = len(next(iter(columns.values())))
        rows = [
            {"image": f"{i}.png", "notes": f"Case {i}.", **{name: cells[i] for name, cells in columns.items()}}
            for i in range(count)
        ]
        root = tree(rows, {f"{i}.png": i for i in range(count)})
        settings = CsvSettings(image="images/{image}", report="notes", labels=tuple(columns))
        manifest = pack_source("csv", settings, root, root.parent / "out").manifest
        shards = [pq.read_table(root.parent / "out" / shard.path).to_pylist() for shard in manifest.shards]
        return manifest, {study["report"]: dict(study["labels"]) for studies in shards for study in studies}

    return run


@pytest.mark.parametrize(
    "cells",
    [
        ["['cardiomegaly', 'pleural effusion']", "['normal']", "[]", "['pleural effusion']"],
        ['["cardiomegaly", "pleural effusion"]', '["normal"]', "nan", '["pleural effusion"]'],
        ["['cardiomegaly'\n 'pleural effusion']", "[normal]", "['']", "{'pleural effusion'}"],
        ["cardiomegaly|pleural effusion", "normal", "", "Pleural effusion"],
    ],
    ids=["python", "json", "numpy", "text"],
)
def test_a_list_in_a_cell_names_its_items(labels: Callable, cells: list[str]) -> None:
    manifest, by_report = labels(finding=[*cells, "pleural effusion"])
    assert manifest.labels == ("cardiomegaly", "normal", "pleural effusion")
    assert by_report["Case 0."] == {"cardiomegaly": 1, "normal": 0, "pleural effusion": 1}
    assert by_report["Case 1."] == {"cardiomegaly": 0, "normal": 1, "pleural effusion": 0}
    assert set(by_report["Case 2."].values()) == {None}
    assert by_report["Case 3."] == by_report["Case 4."] == {"cardiomegaly": 0, "normal": 0, "pleural effusion": 1}


def test_a_list_of_a_parquet_table_is_read(tmp_path: Path, make_png: Callable[..., bytes]) -> None:
    columns = {"notes": ["One.", "Two."], "finding": [["mass", "node"], ["node"]]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    settings = CsvSettings(table=Path("t.parquet"), report="notes", labels=("finding",))
    assert pack_source("csv", settings, tmp_path, tmp_path / "out").manifest.labels == ("mass", "node")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"A": ["0", "1", "2"], "B": ["1", "2", "0"]}, r"--labels A: row 3 has a number other than a flag"),
        (
            {"A": ["0.91", "0.2", "0.004"]},
            r"row 1 has a number other than a flag.*probabilities as 1 or 0 by a threshold",
        ),
        ({"A": ["91 %", "7%", ""]}, r"row 1 has a number other than a flag"),
        (
            {"A": ["0", "1", "?", "1.0"]},
            r"--labels A: row 3 has another value than a flag \(1, 0, .*\), unlike 3 other rows",
        ),
        ({"A": ["yes", "no", "no", "maybe"]}, r"row 4 has another value than a flag .* unlike 3 other rows"),
        ({"A": ["mass", "node", "0", "mass"]}, r"row 3 has a flag .* unlike 3 other rows"),
        ({"A": ["+", "-", "+"]}, r"row 2 has another value than a flag"),
        ({"A": ["[1, 0]", "[0, 1]"]}, r"row 1 has a number as the name of a class"),
        ({"A": ["mass", "node", "3"]}, r"row 3 has a number as the name of a class"),
        ({"A": ["['1', '2']", "['2']"]}, r"row 1 has a number as the name of a class"),
        ({"A": ["mass", "node"], "B": ["Node", ""]}, r"columns A and B have a class of the same name"),
        ({"node": ["1", "0"], "B": ["node", "mass"]}, r"columns node and B have a class of the same name"),
        ({"A": ["['mass', 'node", "['mass']"]}, r"row 1 has a list that is not closed"),
        ({"A": ["['mass', node]", "['mass']"]}, r"row 1: the list has more than names in quotes"),
    ],
)
def test_a_column_whose_meaning_is_not_clear_is_refused_with_its_row(
    labels: Callable, columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        labels(**columns)


def test_the_row_of_an_odd_label_is_that_of_the_file_if_rows_are_left_out(tree: Tree) -> None:
    rows = [{"notes": f"Case {i}.", "kind": "ab"[i % 2], "A": "?" if i == 5 else "1"} for i in range(8)]
    root = tree(rows, {})
    with pytest.raises(InputError, match="row 6 has another value than a flag"):
        pack_source("csv", CsvSettings(report="notes", labels=("A",), keep=("kind=b",)), root, root.parent / "out")


def test_names_that_only_differ_in_case_are_one_class(labels: Callable) -> None:
    manifest, by_report = labels(finding=["Effusion", "effusion", "Effusion", "Mass"])
    assert manifest.labels == ("Effusion", "Mass")
    assert [by_report[f"Case {i}."]["Effusion"] for i in range(4)] == [1, 1, 1, 0]


def test_a_flag_may_be_unknown_and_a_class_may_have_this_name(labels: Callable) -> None:
    manifest, by_report = labels(edema=["yes", "no", "Unknown"], cause=["virus", "unknown", "virus"])
    assert manifest.labels == ("edema", "unknown", "virus")
    assert [by_report[f"Case {i}."]["edema"] for i in range(3)] == [1, 0, None]
    assert by_report["Case 1."]["unknown"] == 1


def test_nulls_of_software_are_neither_classes_nor_odd_cells(labels: Callable) -> None:
    manifest, by_report = labels(finding=["mass", "None", "#N/A"], edema=["1", "NULL", "<NA>"])
    assert manifest.labels == ("edema", "mass")
    assert by_report["Case 1."] == by_report["Case 2."] == {"edema": None, "mass": None}


def test_items_of_a_cell() -> None:
    assert items("""["Chagas' disease", 'a "b"', 'it\\'s']""") == ["Chagas' disease", 'a "b"', "it's"]
    assert items("[['a', 'loc b'], ['a']]") == ["a", "loc b"]
    assert items("('a', None, 'b')") == ["a", "b"]
    assert items(" a ;; b , a") == ["a", "b"]
    assert items("Nodule (left)") == ["Nodule (left)"]
    for broken in ("['a, 'b']", "['a': 1]"):
        with pytest.raises(ValueError, match=re.compile("quotes")):
            items(broken)
