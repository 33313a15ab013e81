"""The report as one page that asks nothing of any network."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from radsweep.report import wording
from radsweep.report.analysis.compute import relative
from radsweep.report.analysis.results import Results
from radsweep.report.figures.collected import Pictures
from radsweep.report.figures.learning_curves import MOST_PANELS, legend, training_curves, with_curves
from radsweep.report.figures.search import slices
from radsweep.report.render.content import Content
from radsweep.store.selection import Selection


def render_html(results: Results, content: Content, pictures: Pictures, chosen: Selection) -> str:
    """Every value is escaped; the pictures alone are trusted, since matplotlib escapes what stands in them."""
    folder = resources.files("radsweep.report.render")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"size_name": wording.size_name, "sentence_start": wording.sentence_start}
    environment.filters |= {"linked": _linked}
    template = environment.from_string((folder / "template.html.j2").read_text(encoding="utf-8"))
    entries = {(entry.arm, entry.size): entry for entry in content.entries}
    compared = [finding for finding in content.findings if finding.arm]
    best = chosen.recommended
    page = template.render(
        c=content,
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        baseline=results.sweep.baseline,
        sizes=results.sizes,
        matrix=[
            (arm, [entries.get((arm, size)) for size in results.sizes], relative(results, arm, results.sizes))
            for arm in results.arms
        ],
        intervals=bool(results.evidence.levels),
        headlines=[finding for finding in content.findings if not finding.arm],
        comparisons=[(arm, list(found)) for arm, found in itertools.groupby(compared, lambda finding: finding.arm)],
        clear=[
            f for f in compared if f.verdict in ("helped", "hurt", "not converged") and results.evidence.differences
        ],
        legend=legend(results),
        pictures=pictures,
        slices=slices(results),
        curves=training_curves(results),
        panels_a_row=len(results.sizes) if 2 <= len(results.sizes) <= 4 else 4,
        curves_left_out=max(0, len(with_curves(results)) - MOST_PANELS),
        select_name=wording.metric_name(results.sweep.select),
        changes=[(key, wording.setting(value)) for key, value in best.changes.items()] if best else [],
    )
    return page.replace(" %", "\N{NO-BREAK SPACE}%")  # a number and its unit stay on one line


def _linked(cells: str | Sequence[int]) -> Markup:
    """Numbers of cells, each a link to its row."""
    text = cells if isinstance(cells, str) else wording.numbers_listed(cells)
    return Markup(re.sub(r"\d+", r'<a href="#cell-\g<0>">\g<0></a>', str(escape(text))))
