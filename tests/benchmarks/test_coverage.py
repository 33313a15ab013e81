"""The simulation of coverage prints a figure for every kind of interval. Ten repeats: the figures mean little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage.py"


def test_coverage_is_simulated_for_every_kind_of_interval() -> None:
    command = [sys.executable, str(FILE), "--json", "--quick"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert printed.returncode == 0, printed.stderr[-2000:]
    figures = json.loads(printed.stdout)
    assert figures["repeats"] == 10
    assert figures["coverage"].keys() == {"recall_at_10", "auroc", "difference"}
    assert all(share > 0.7 for share in figures["coverage"].values())
    assert figures["multiplier"].keys() >= {"coverage", "beyond_range"}
    assert figures["multiplier"]["coverage"] > 0.6
    assert figures["null_significant"] < 0.5
