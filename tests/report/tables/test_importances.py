from __future__ import annotations

from collections.abc import Callable

import numpy as np

from radsweep.report.analysis.results import join
from radsweep.report.sections.measure_sections import importances
from radsweep.report.sections.section import Bullets, Figures, Numbers
from radsweep.report.tables.comparisons import importances_beside_chance, importances_table, searched_importances
from radsweep.store.records import CellRecord, SweepRecord

Search = Callable[..., tuple[SweepRecord, dict[str, CellRecord]]]


def test_a_search_over_noise_says_so_in_one_sentence_and_shows_no_table_and_no_figure(search: Search) -> None:
    results = join(*search((0.2 + 0.02 * np.random.default_rng(2).normal(size=16)).tolist()))
    section = importances(results)
    said, figures, table = section.blocks
    assert isinstance(said, Bullets)
    assert isinstance(figures, Figures)
    assert isinstance(table, Numbers)
    (sentence,) = said.items
    assert sentence.startswith("No key's importance is distinguishable from chance with 16 trials: ")
    assert figures.empty
    assert table.empty


def test_the_table_has_the_key_that_decides_and_names_those_that_chance_may_explain(search: Search) -> None:
    found = searched_importances(join(*search([0.1 + 0.01 * (n * 7 % 20) for n in range(20)])))
    assert found is not None
    rows = importances_table(found).rows
    assert [row[0] for row in rows] == ["train.learning_rate", "other keys, combinations, noise"]
    assert importances_beside_chance(found).endswith(
        "augment.text.sentences and objective.local.weight cannot be distinguished from chance."
    )
