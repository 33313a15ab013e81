from __future__ import annotations

from collections.abc import Callable

from radsweep.report.analysis.results import join
from radsweep.report.render.content import content
from radsweep.report.text.limits import selection_cost
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]


def test_what_selection_cost_is_one_line_beside_the_pairs_trained_on(ablation: Callable[..., Sweep]) -> None:
    numbers = {"baseline": {100: [0.1, 0.1], 1000: [0.2]}, "local": {100: [0.12, 0.13], 1000: [0.21]}}
    results = join(*ablation(numbers))
    line = selection_cost(results)
    assert line.startswith(
        "Validation pairs that chose checkpoints, beside the pairs trained on: 400 beside 100 (4.0 times) and 400 "
        "beside 1,000 (0.40 times)."
    )
    assert "data.validation_pairs" in line
    (limits,) = (section.data["limits"] for section in content(results).sections if "limits" in section.data)
    assert line in limits


def test_records_without_a_pool_have_no_such_line(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {100: [0.1]}})
    bare = {key: record.model_copy(update={"pool": {}}) for key, record in cells.items()}
    assert selection_cost(join(sweep, bare)) == ""
