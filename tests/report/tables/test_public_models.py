from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from radsweep.evaluation.queries import QueryResults
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.content import content
from radsweep.report.render.html import render_html
from radsweep.report.render.markdown import render_markdown
from radsweep.report.render.report_json import render_json
from radsweep.report.tables.public_models import public_models
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
TEST = "test/text_to_image/recall_at_10"


@pytest.fixture
def beside(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> Results:
    """Two public models of one shown name, right in 20 and in 40 of 400 queries."""
    numbers = {"baseline": {100: [0.06, 0.07], 300: [0.12, 0.14]}, "local": {300: [0.18, 0.20]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    for key, hits in {"k" * 16: 20, "l" * 16: 40}.items():
        rank_Q = np.where(np.arange(400) % (400 // hits) == 0, 1.0, 300.0)
        some = queries["baseline-300-0"]
        queries[key] = QueryResults(some.study_ids, some.patient_ids, {"text_to_image": rank_Q}, {})
        final = {TEST: hits / 400}
        cells[key] = cells["baseline-300-0"].model_copy(update={"key": key, "final": final, "best": {}})
    planned = tuple(PlannedCell(key=key, arm="clip", reference=True) for key in ("k" * 16, "l" * 16))
    return join(sweep.model_copy(update={"references": planned}), cells, queries.get)


def test_two_models_that_share_a_name_keep_their_own_numbers(beside: Results) -> None:
    table = public_models(beside)
    shown = [row[1] for row in table.rows]
    assert [value.split(" [")[0] for value in shown] == ["5.0 %", "10.0 %"]
    assert all("[" in value for value in shown)
    assert [row[-1] for row in table.rows] == ["k" * 12, "l" * 12]


def test_the_caution_about_public_models_is_part_of_every_form(beside: Results, ablation: Callable[..., Sweep]) -> None:
    said = content(beside)
    caution = "it may have seen these studies"
    for form in (render_html(said), render_markdown(said)):
        assert caution in form
    assert caution in json.loads(render_json(beside, said))["report"]["models_about"]
    without = join(*ablation({"baseline": {300: [0.1]}}))
    assert caution not in render_html(content(without))
    assert json.loads(render_json(without, content(without)))["report"]["models_about"] == ""
