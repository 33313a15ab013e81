"""The report as one page that loads nothing from any network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import partial
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from radsweep.evaluation.statistics import Difference
from radsweep.report import wording
from radsweep.report.render import cell_wording
from radsweep.report.render.content import Content
from radsweep.report.tables.arm_cells import ArmCell, ArmTable


def render_html(content: Content) -> str:
    """Render the page. Every value is escaped except the pictures, whose text matplotlib escapes.

    The page's policy permits one script, by its hash: any other that a name could bring along would not run.
    """
    folder, metric = resources.files("radsweep.report.render"), content.header.metric
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "size_name": wording.size_name,
        "sentence_start": wording.sentence_start,
        "linked": _linked,
        "kind": lambda block: type(block).__name__,
        "value": partial(cell_wording.value_shown, metric),
        "level": partial(_level, metric),
        "difference": lambda cell: cell_wording.difference_shown(metric, cell).replace(" points", ""),
        "notes": partial(cell_wording.notes, metric),
        "gain": partial(cell_wording.gain_shown, metric),
        "probability": cell_wording.probability_shown,
        "bar": _bar,
        "breakable": lambda key: escape(key).replace(".", Markup(".<wbr>")),
    }
    template = environment.from_string((folder / "template.html.j2").read_text(encoding="utf-8"))
    script = (folder / "table.js").read_text(encoding="utf-8")
    page = template.render(
        header=content.header,
        sections=content.sections,
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=_hash(script),
    )
    return page.replace(" %", "\N{NO-BREAK SPACE}%")  # a number and its unit stay on one line


def _hash(script: str) -> Markup:
    """As a Content-Security-Policy has it; base64 holds nothing that HTML would have to escape."""
    return Markup("sha256-") + Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())


def _linked(cells: str | Sequence[int]) -> Markup:
    """Numbers of cells, each a link to its row."""
    text = cells if isinstance(cells, str) else wording.numbers_listed(cells)
    return Markup(re.sub(r"\d+", r'<a href="#cell-\g<0>">\g<0></a>', str(escape(text))))


def _level(metric: str, cell: ArmCell, table: ArmTable, is_baseline: bool) -> str:
    """The mean; its interval for the baseline, which has no difference to show."""
    if is_baseline or not table.intervals:
        return cell_wording.value_shown(metric, cell)
    return wording.number(metric, cell.value.spread.mean if cell.value.spread else None)


def _bar(change: Difference, low: float, high: float) -> str:
    """Places of an interval, its estimate and 0 between `low` and `high`, as custom properties of style.css."""
    places = {"from": change.low, "to": change.high, "at": change.estimate, "zero": 0.0}
    return ";".join(f"--{name}:{100 * (value - low) / (high - low):.2f}%" for name, value in places.items())
