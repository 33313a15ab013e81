"""Everything the report says, as plain data: a header and the sections in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.sections import measure_sections as measure
from radsweep.report.sections import method_sections as method
from radsweep.report.sections import verdict_sections as verdict
from radsweep.report.sections.section import Figures, Section
from radsweep.report.sections.subgroup_section import where_it_helps

SECTIONS: tuple[Callable[[Results], Section], ...] = (
    verdict.what_was_found,
    verdict.what_to_do,
    verdict.every_arm,
    verdict.before_you_trust,
    measure.effects,
    measure.levels,
    verdict.curves,
    measure.measures,
    measure.further_measures,
    where_it_helps,
    measure.tuned,
    measure.models,
    measure.importances,
    measure.searched_keys,
    measure.front,
    measure.top,
    verdict.curves_of_training,
    measure.others,
    method.best_configuration,
    method.candidate,
    method.cost,
    method.data,
    method.how_it_was_done,
    method.every_cell,
)


@dataclass(frozen=True)
class Header:
    """The sweep, and the metric that the report is about."""

    title: str
    subtitle: str
    kind: str
    metric: str
    metric_name: str
    metric_explained: str
    chance: float | None
    chance_shown: str
    pool: int | None


@dataclass(frozen=True)
class Content:
    header: Header
    sections: tuple[Section, ...]

    @property
    def files(self) -> dict[str, str]:
        """Name: text of what is written beside the report, figures included."""
        found: dict[str, str] = {}
        for section in self.sections:
            found |= section.files
            figures = [figure for block in section.nested if isinstance(block, Figures) for figure in block.figures]
            found |= {f"figures/{figure.name}.svg": figure.file for figure in figures if figure.name}
        return found


def content(results: Results) -> Content:
    return Content(_header(results), tuple(section(results) for section in SECTIONS))


def _header(results: Results) -> Header:
    metric = results.metric
    return Header(
        title=results.sweep.name,
        subtitle=_subtitle(results),
        kind=results.sweep.kind,
        metric=metric,
        metric_name=wording.metric_name(metric),
        metric_explained=wording.explained(metric, results.pool()),
        chance=results.chance(),
        chance_shown=wording.number(metric, results.chance()),
        pool=results.pool(),
    )


def _subtitle(results: Results) -> str:
    sweep = results.sweep
    ended = len([r for r in results.all if r.record])
    parts = [f"{sweep.kind}, {sweep.status}", f"{ended:,} of {wording.count(len(results.all), 'cell')}"]
    if name := sweep.data.get("name"):
        parts.append(f"data set {name}")
    if day := (sweep.ended or sweep.created)[:10]:
        parts.append(day)
    return " · ".join(parts)
