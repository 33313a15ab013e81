from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.report.analysis.results import join
from radsweep.report.render.content import content
from radsweep.report.render.write import write_report
from radsweep.report.tables.class_measures import by_class, further, measured_what, parsed
from radsweep.report.tables.overview import all_cells
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
SETS = {
    "test/zero_shot/average_precision": (0.31, 0.12),
    "test/nih/zero_shot/auroc": (0.66, 0.5),
    "test/linear_probe/1_percent/auroc": (0.58, 0.5),
    "test/class_retrieval/precision_at_5": (0.44, 0.2),
    "test/zero_shot/Effusion/left/average_precision": (0.29, 0.1),
}


def with_tasks(cells: dict[str, CellRecord]) -> dict[str, CellRecord]:
    """A hundredth more in each replicate."""
    more = {}
    for key, record in cells.items():
        replicate = int(key[-1]) if key[-1].isdigit() else 0
        final = record.final | {name: value + replicate / 100 for name, (value, _) in SETS.items()}
        chance = record.chance | {name: level for name, (_, level) in SETS.items()}
        more[key] = record.model_copy(update={"final": final if record.final else {}, "chance": chance})
    return more


def test_names_are_parsed_although_sets_and_classes_contain_slashes() -> None:
    assert parsed("test/nih/zero_shot/auroc") == ("nih", "zero_shot", "", "test/nih/zero_shot/auroc")
    assert parsed("test/a/b/linear_probe/0.5_percent/Effusion/left/auroc") == (
        "a/b",
        "linear_probe",
        "Effusion/left",
        "test/a/b/linear_probe/0.5_percent/auroc",
    )
    assert parsed("test/text_to_image/recall_at_10") is None


def test_macro_measures_have_spread_and_chance_and_classes_are_in_another_table(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any], tmp_path: Path
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: [0.1, 0.12]}, "local": {300: [0.2, 0.22]}}))
    cells = with_tasks(cells)
    results = join(sweep, cells, queries.get)
    rows = {(row[0], row[1]): row[2:] for row in further(results).rows}
    assert {name for name, _ in rows} == {
        "test average precision, zero shot",
        "test AUROC, nih/zero shot",
        "test AUROC, linear probe at 1 %",
        "test precision@5, class retrieval",
    }
    assert rows["test AUROC, nih/zero shot", "local"][:4] == ("300", "0.665 ± 0.007", "0.500", "2")
    assert "no results of queries" in rows["test AUROC, nih/zero shot", "local"][4]
    assert rows["test AUROC, nih/zero shot", "local"][5] == "2, 3"
    (row, _) = by_class(results).rows
    assert row[0] == "test average precision, zero shot: Effusion/left"
    assert row[3:5] == ("0.295 ± 0.007", "0.100")
    html = write_report(tmp_path, sweep, cells, queries.get).page.read_text(encoding="utf-8")
    before, _, after = html.partition("<details><summary>Measures by class")
    assert "Effusion/left" not in before
    assert "0.295 ± 0.007" in after
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    assert len(report["further"]["rows"]) == 8
    assert len(report["by_class"]["rows"]) == 2
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "0.665 ± 0.007" in markdown
    assert "Effusion/left" not in markdown


@pytest.mark.parametrize("kind", ["search", "train"])
def test_the_winner_of_a_search_and_a_single_trial_have_them_too(
    kind: str, search: Callable[..., Sweep], one_trial: Sweep
) -> None:
    sweep, cells = search([0.1, 0.3, 0.2]) if kind == "search" else one_trial
    results = join(sweep, with_tasks(cells))
    by_name = {row[0]: row[1:] for row in further(results).rows}
    assert by_name["test AUROC, nih/zero shot"] == ("0.670" if kind == "search" else "0.660", "0.500")
    assert len(by_class(results).rows) == 1


def test_folds_are_averaged_and_each_is_named_by_its_key(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.1, 0.12]}})
    planned = tuple(
        cell.model_copy(update={"fold": fold, "subset_seed": 0, "key": str(fold) * 20})
        for fold, cell in enumerate(sweep.cells)
    )
    records = {
        new.key: record.model_copy(update={"key": new.key})
        for new, record in zip(planned, with_tasks(cells).values(), strict=True)
    }
    results = join(sweep.model_copy(update={"cells": planned}), records)
    assert [row[1] for row in all_cells(results).rows] == ["0" * 12 + " " + "1" * 12]
    by_name = {row[0]: row[3] for row in further(results).rows}
    assert by_name["test AUROC, nih/zero shot"] == "0.665"


def test_the_limits_name_the_tasks_and_the_data_sets(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.1]}})
    assert measured_what(join(sweep, cells)) == "retrieval on made-up"
    results = join(sweep, with_tasks(cells))
    assert measured_what(results) == (
        "retrieval, zero-shot classification, a linear probe and class retrieval on made-up; zero-shot classification "
        "on nih"
    )
    (limits,) = (section.data["limits"] for section in content(results).sections if "limits" in section.data)
    assert any(measured_what(results) in limit for limit in limits)
