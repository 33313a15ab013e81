"""The sections of a report in each of its forms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.report.analysis.results import Results, join
from radsweep.report.figures.learning_curves import Figure
from radsweep.report.render import content as content_module
from radsweep.report.render.content import content
from radsweep.report.render.html import render_html
from radsweep.report.render.markdown import render_markdown
from radsweep.report.render.write import write_report
from radsweep.report.sections.section import (
    Block,
    Bullets,
    Caution,
    Details,
    Figures,
    Listing,
    Numbers,
    Remark,
    Section,
    SideBySide,
)
from radsweep.report.tables.table import Table
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
NUMBERS = {"baseline": {300: [0.12, 0.14, 0.13]}, "local": {300: [0.18, 0.20, 0.19]}}


def numbers(value: str, name: str = "", titled: bool = False) -> Numbers:
    return Numbers(Table(f"title of {value}", ("measure", "cells"), ((value, "0, 1"),)), name, titled=titled)


def toy(results: Results) -> Section:
    return Section(
        "Toy section",
        "toy",
        (
            Remark("how to read it"),
            Caution("never forget"),
            Bullets(("a bullet",)),
            numbers("plain", "toy_plain"),
            SideBySide((numbers("left", titled=True), numbers("right", titled=True))),
            Details("folded away", numbers("folded", "toy_folded")),
            Details("folded on the page", numbers("unfolded"), in_markdown=True),
            Figures((Figure("a drawing", "<svg>inline</svg>", "its note", "<svg>file</svg>", "toy"),)),
            Listing("key: value"),
        ),
        data={"toy": float("nan"), "toy_table": Table("t", ("a",), (("b",),))},
        files={"toy.yaml": "key: value\n"},
    )


def test_a_section_is_added_in_one_place_to_every_form(
    ablation: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_module, "SECTIONS", (*content_module.SECTIONS, toy))
    page = write_report(tmp_path, *ablation(NUMBERS)).page.read_text(encoding="utf-8")
    section = page[page.index('<section id="toy">') :]
    tables = ("plain", "left", "right", "folded", "unfolded")
    texts = ("Toy section", "how to read it", "never forget", "a bullet", "a drawing", "its note", "key: value")
    for text in (*texts, "folded away", "folded on the page", "<svg>inline</svg>", *tables):
        assert text in section
    assert section.count('<a href="#cell-0">0</a>, <a href="#cell-1">1</a>') == len(tables)
    assert re.findall(r"<caption>(.*?)</caption>", section) == ["title of left", "title of right"]
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8").split("## Toy section")[1]
    assert re.findall(r"### (.*)", markdown) == ["title of left", "title of right", "folded on the page"]
    assert re.findall(r"\| (\w+) \| 0, 1 \|", markdown) == ["plain", "left", "right", "unfolded"]
    assert "never forget" in markdown
    assert "- a bullet" in markdown
    for text in ("how to read it", "folded away", "a drawing", "key: value"):
        assert text not in markdown
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    assert report["toy_folded"]["rows"] == [["folded", "0, 1"]]
    assert report["toy_plain"] == {"title": "title of plain", "head": ["measure", "cells"], "rows": [["plain", "0, 1"]]}
    assert (report["toy"], report["toy_table"]["rows"]) == (None, [["b"]])
    assert (tmp_path / "figures" / "toy.svg").read_text(encoding="utf-8") == "<svg>file</svg>"
    assert (tmp_path / "toy.yaml").read_text(encoding="utf-8") == "key: value\n"


def test_every_kind_of_block_is_used_and_has_a_form_on_the_page(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    cells["clip"] = cells["baseline-300-0"].model_copy(update={"key": "clip"})
    references = (PlannedCell(key="clip", arm="clip", reference=True),)
    found = content(join(sweep.model_copy(update={"references": references}), cells, queries.get))
    nested = [block for section in found.sections if section.shown for block in section.nested if not block.empty]
    assert {type(block) for block in nested} == set(Block.__subclasses__())
    names = [name for section in found.sections for name in section.data]
    names += [block.name for section in found.sections for block in section.nested if isinstance(block, Numbers)]
    assert sorted(filter(None, names)) == sorted(set(filter(None, names)))
    html = render_html(found)
    assert re.findall(r'<section id="([\w-]+)">', html) == [s.anchor for s in found.sections if s.shown]


def test_a_section_with_only_remarks_is_not_shown_but_its_data_is_kept(
    ablation: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = Section("Empty", "empty", (Remark("on nothing"), Details("more", Bullets(()))), data={"nothing": None})
    monkeypatch.setattr(content_module, "SECTIONS", (toy, lambda results: empty))
    found = content(join(*ablation(NUMBERS)))
    for form in (render_html(found), render_markdown(found)):
        assert "Toy section" in form
        assert "Empty" not in form
        assert "on nothing" not in form
    assert [dict(section.data) for section in found.sections][1] == {"nothing": None}
