"""False claims of the report, and the coverage, width and power of its intervals, counted where the truth is known.

Sweeps are fabricated from models whose truth is known (claims_referee/scenarios.py has the table), the product reads
their records and makes its report, and the claims in report.json are judged. Nothing here uses the product's inference.

What is true. Every claim is about subsets of n of these N training studies, other starts and other test patients, with
the candidates fixed. A comparison is null if the expectation of its difference over these is 0, though the arms may
differ for each patient and each model. It is made so in two ways:
- a renamed arm: the baseline's own model with starts of its own;
- different arms. In the parametric generator (latent.py) they answer differently to patients and subsets, and their
  expectations given the pool are equal. In the real learner (ridge.py) the mean difference on the pool, from at least
  200 replicates, is subtracted.
Scenarios of new pools draw a pool for each report; their rate is tabulated and not a gate.

What is counted:
- false claims: `helped` or `hurt` under a true null or in the wrong direction, `equivalent` where the truth reaches the
  margin, a recommended arm that is not better than the baseline; for each comparison and for each report;
- coverage of the intervals that are stated: of differences, each and jointly; of the arm that is recommended, or else
  leads on the validation split; of levels; of multipliers, against the learning curve that the model really has;
- contradictions between a verdict and its own interval or multiplier, and numbers that the metric cannot have;
- median width in times that of an oracle, which knows the generator's variances and corrects for as many comparisons;
- power where one arm has the effect that this oracle finds in 90 %.
Limits are those of the gates in figures.py. A gate that is missed is decided by 10,000 new reports: --first, --reports.

A report has its own seed, from the scenario's name and its number. For N reports without an effect, N/2 have one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from claims_referee.figures import figures
from claims_referee.running import CHUNK, Chunk, generator_of, rows, truth_of
from claims_referee.scenario import Scenario
from claims_referee.scenarios import NOT_A_GATE, SCENARIOS
from claims_referee.scoring import Row
from claims_referee.tables import markdown, plain
from common import machine, quiet_output, tell

QUICK = ("base", "ridge, n = N/10", "row 6: 2 sizes", "AUROC, 30 positives", "row 12: a cell without a test result")


def measure(
    scenarios: Sequence[Scenario], reports: int, first: int, draws: int, folder: Path, jobs: int
) -> dict[str, Any]:
    """Figures by scenario, and the gates that are missed."""
    chunks = [
        Chunk(scenario, planted, start, min(CHUNK, first + many - start), draws)
        for scenario in scenarios
        for planted, many in ((False, reports), (True, max(reports // 2, 1)))
        for start in range(first, first + many, CHUNK)
    ]
    found: dict[tuple[str, bool], list[Row]] = defaultdict(list)
    for number, (chunk, of) in enumerate(rows(chunks, folder, jobs), start=1):
        found[chunk.scenario.name, chunk.planted] += of
        tell(f"{number} of {len(chunks)} chunks: {chunk.scenario.name}")
    by_name = {
        scenario.name: figures(
            scenario,
            truth_of(generator_of(scenario), draws, folder),
            *(sorted(found[scenario.name, planted], key=lambda row: row["number"]) for planted in (False, True)),
        )
        for scenario in scenarios
    }
    missed = [
        f"{name}: {gate}"
        for name, of in by_name.items()
        if name not in NOT_A_GATE
        for gate, (_, _, met) in of["gates"].items()
        if not met
    ]
    return {"scenarios": by_name, "missed": missed, "machine": machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/evaluation.md")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), metavar="NAME", help="run only these")
    parser.add_argument("--reports", type=int, default=1000, help="reports without an effect, for each scenario")
    parser.add_argument("--draws", type=int, default=2000, help="of each generator, for the truth and the oracle")
    parser.add_argument("--first", type=int, default=0, help="number of the first report: others are new reports")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--to", type=Path, help="folder that keeps finished chunks, to resume from")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # of the processes that are started: each has a core
    names = options.scenario or (QUICK if options.quick else SCENARIOS)
    reports, draws, jobs = (4, 24, 1) if options.quick else (options.reports, options.draws, options.jobs)
    with quiet_output() as out, tempfile.TemporaryDirectory(prefix="radsweep-") as temporary:
        folder = options.to or Path(temporary)
        found = measure([SCENARIOS[name] for name in names], reports, options.first, draws, folder, jobs)
        lines = [json.dumps(found)] if options.json else markdown(found) if options.markdown else plain(found)
        print("\n".join(lines), file=out, flush=True)


if __name__ == "__main__":
    sys.exit(main())
