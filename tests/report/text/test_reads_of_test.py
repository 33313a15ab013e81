from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from radsweep.report.analysis.results import join
from radsweep.report.render.write import write_report
from radsweep.report.text.findings import findings
from radsweep.report.text.reads_of_test import reads_of_test_split
from radsweep.report.text.verdicts import rule
from radsweep.store.ledger import Ledger
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
WithQueries = Callable[..., Any]
VALUES = [0.1, 0.3, 0.2, 0.15]
NUMBERS = {"baseline": {300: [0.12, 0.14, 0.13]}, "local": {300: [0.18, 0.20, 0.19]}}


def on_test_split(sweep: SweepRecord, cells: dict[str, CellRecord], *others: Any, **more: Any) -> str:
    found = findings(join(sweep, cells, *others, **more))
    return next(f.sentence for f in found if f.sentence.startswith("On the test split"))


def test_the_winners_test_score_has_an_interval_from_its_queries(
    search: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*search(VALUES))
    said = on_test_split(sweep, cells, queries.get)
    ends = re.search(
        r"it reached 27\.0 % \(95 % interval (\d+\.\d) to (\d+\.\d), over patients only\); chance is", said
    )
    assert ends is not None
    assert 20 < float(ends[1]) < 25 < 29 < float(ends[2]) < 34, "400 queries of 240 patients"
    assert "%; chance is" in on_test_split(sweep, cells), "without them it has no interval"


def test_a_search_counts_the_trials_that_have_read_the_test_split_in_any_sweep(search: Callable[..., Sweep]) -> None:
    sweep, cells = search(VALUES)
    said = on_test_split(sweep, cells, ledger=Ledger(tested=frozenset({"t0", "t1", "t2"})))
    assert said.startswith("On the test split, which 3 of 4 trials have read and which had no part in the choice, it")
    said = on_test_split(sweep, cells, ledger=Ledger(tested=frozenset({"t1"})))
    assert said.startswith("On the test split, which only this trial has read and which had no part in the choice, it")


def test_one_trial_has_an_interval_on_the_test_split(one_trial: Sweep, with_queries: WithQueries) -> None:
    sweep, cells, queries = with_queries(*one_trial)
    (found,) = findings(join(sweep, cells, queries.get))
    interval = r"18\.0 % \(95 % interval 1\d\.\d to 2\d\.\d, over patients only\)"
    assert re.match(rf"One trial on 300 pairs reached {interval} test recall@10", found.sentence)


def test_the_report_says_how_often_the_test_split_was_read(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    sweep, cells = ablation(NUMBERS)
    ledger = Ledger(sweeps=("first", "0001"), comparisons=14)
    said = (
        "The test split of this data set was read by 2 sweeps of this store (first and 0001), which made 14 "
        "comparisons on it; the intervals of this report correct for its own only."
    )
    assert reads_of_test_split(join(sweep, cells, ledger=ledger)) == said
    write_report(tmp_path, sweep, cells, ledger=ledger)
    assert said in (tmp_path / "report.md").read_text(encoding="utf-8").replace("\xa0", " ")
    many = Ledger(sweeps=tuple(f"s{n}" for n in range(9)))
    assert "(3 earlier ones, s3, s4, s5, s6, s7 and s8)" in reads_of_test_split(join(sweep, cells, ledger=many))
    assert reads_of_test_split(join(sweep, cells)) == ""


def test_an_earlier_look_widens_the_interval_and_the_rule_counts_it(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    looked = Ledger(earlier_looks={("local", 300): 2})
    first, third = join(sweep, cells, queries.get), join(sweep, cells, queries.get, ledger=looked)
    widths = [(d := r.evidence.differences["local", 300]).high - d.low for r in (first, third)]
    assert widths[1] > 1.1 * widths[0]
    assert "hold together; this is sweep 3 that looks at them" in rule(third)
    assert "looks at them" not in rule(first)
