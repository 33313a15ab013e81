"""The pictures that a report has beside its training curves, under the names of their files."""

from __future__ import annotations

from dataclasses import dataclass

from radsweep.evaluation.statistics import Importances
from radsweep.report.analysis.results import Results
from radsweep.report.figures.forest import forest, importance_figure
from radsweep.report.figures.learning_curves import Figure, by_size
from radsweep.report.figures.search import search_figures


@dataclass(frozen=True)
class Pictures:
    forest: Figure | None
    by_size: Figure | None
    importances: Figure | None
    search: list[Figure]

    @property
    def named(self) -> dict[str, Figure]:
        """Name of the file: figure, of those that are there."""
        found = {"forest": self.forest, "learning_curves": self.by_size, "importances": self.importances}
        return {name: figure for name, figure in found.items() if figure is not None}


def pictures_of(results: Results, importances: Importances | None) -> Pictures:
    return Pictures(
        forest=forest(results),
        by_size=by_size(results),
        importances=importance_figure(importances, sum(r.status == "stopped" for r in results.measured))
        if importances
        else None,
        search=search_figures(results),
    )
