"""The table and the figure of a search that weighs score against cost."""

from __future__ import annotations

from radsweep.report.analysis.results import Results, join
from radsweep.report.figures.search import front_figure
from radsweep.report.tables.pareto_front import front_table
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

SELECT = "val/text_to_image/recall_at_10"
SCORES = (0.5, 0.4, 0.6, 0.3)
PARAMETERS = (2_000, 1_000, 3_000, 1_500)  # trial 3 scores less than trial 1 at more


def results(cost: str | None) -> Results:
    cells = tuple(PlannedCell(key=str(n), changes={"model.dim": 2**n}, number=n) for n in range(4))
    records = {
        str(n): CellRecord(key=str(n), trial={}, status="finished", best={SELECT: s}, parameters=PARAMETERS[n])
        for n, s in enumerate(SCORES)
    }
    search = {"space": {"model.dim": {"int": [1, 8]}}} | ({"cost": cost} if cost else {})
    sweep = SweepRecord(
        id="s", name="s", kind="search", experiment={"search": search}, select=SELECT, cells=cells, status="finished"
    )
    return join(sweep, records)


def test_the_front_is_ordered_from_the_cheapest_to_the_best() -> None:
    table = front_table(results("parameters"))
    assert [(row[0], row[2], row[3]) for row in table.rows] == [
        ("1", "1,000", "2"),
        ("0", "2,000", "1"),
        ("2", "3,000", "4"),
    ]
    assert table.title == "Score against cost: the 3 of 4 trials that none beats in both"
    figure = front_figure(results("parameters"))
    assert figure is not None
    assert "parameters" in figure.svg


def test_one_aim_has_no_front() -> None:
    assert not front_table(results(None)).rows
    assert front_figure(results(None)) is None
