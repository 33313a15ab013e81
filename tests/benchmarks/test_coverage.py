"""The simulation of coverage prints a figure for every kind of interval. Ten repeats: the figures mean little."""

from __future__ import annotations

import json
from pathlib import Path

from support.processes import run_script

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage.py"


def test_coverage_is_simulated_for_every_kind_of_interval(tmp_path: Path) -> None:
    ended = run_script(tmp_path, FILE, "--json", "--quick")
    assert ended.code == 0, ended.err[-2000:]
    figures = json.loads(ended.out)
    assert figures["repeats"] == 10
    assert figures["coverage"].keys() == {"recall_at_10", "auroc", "difference"}
    assert all(share > 0.7 for share in figures["coverage"].values())
    assert figures["multiplier"].keys() >= {"coverage", "beyond_range"}
    assert figures["multiplier"]["coverage"] > 0.6
    assert figures["null_significant"] < 0.5
