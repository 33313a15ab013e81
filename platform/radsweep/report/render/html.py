"""The report as one page that loads nothing from any network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from radsweep.report import wording
from radsweep.report.render.cell_wording import difference_shown, multiplier_shown, p_shown, value_shown
from radsweep.report.render.content import Content


def render_html(content: Content) -> str:
    """Render the page. Every value is escaped except the pictures, whose text matplotlib escapes."""
    folder = resources.files("radsweep.report.render")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"size_name": wording.size_name, "sentence_start": wording.sentence_start}
    environment.filters |= {"linked": _linked, "kind": lambda block: type(block).__name__}
    environment.filters |= {"p": p_shown, "multiplier": multiplier_shown}
    environment.filters["value"] = partial(value_shown, content.header.metric)
    environment.filters["difference"] = partial(difference_shown, content.header.metric)
    template = environment.from_string((folder / "template.html.j2").read_text(encoding="utf-8"))
    style = Markup((folder / "style.css").read_text(encoding="utf-8"))
    page = template.render(header=content.header, sections=content.sections, style=style)
    return page.replace(" %", "\N{NO-BREAK SPACE}%")  # a number and its unit stay on one line


def _linked(cells: str | Sequence[int]) -> Markup:
    """Numbers of cells, each a link to its row."""
    text = cells if isinstance(cells, str) else wording.numbers_listed(cells)
    return Markup(re.sub(r"\d+", r'<a href="#cell-\g<0>">\g<0></a>', str(escape(text))))
