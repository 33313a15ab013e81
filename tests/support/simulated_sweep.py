"""An ablation whose trials are drawn instead of trained; everything that plans and judges them is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from radsweep.config.load import parse_experiment
from radsweep.evaluation.queries import QueryResults
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.sweep.phases import Phases
from support.designs import key_of

METRIC = "text_to_image/recall_at_10"
QUERIES = 400
NAMES = tuple(f"q{n:03}" for n in range(QUERIES))
GAINS = {"baseline": 0.0, "strong": 0.3, "null": 0.0, "weak": 0.03}  # share of the misses that become hits


class Simulated(Phases):
    """A trial is drawn from its arm's gain and its seed; `most` trials end before an interruption."""

    def __init__(
        self,
        seeds: Any,
        records: dict[str, CellRecord],
        noise: float = 0.01,
        most: int = 10**6,
        of_patients: bool = False,
    ) -> None:
        arms = {arm: {"objective.local.weight": n} if n else {} for n, arm in enumerate(GAINS)}
        tree = {"experiment": "x", "data": {"shards": "somewhere"}, "ablation": {"arms": arms, "pairs": [50, 100]}}
        tree["ablation"]["seeds"] = seeds
        experiment = parse_experiment(tree, "x.yaml")
        self.queries: dict[str, QueryResults] = {}
        self.ran: list[PlannedCell] = []
        self.expected: list[int] = []
        self.noise, self.most, self.records, self.of_patients = noise, most, records, of_patients
        setup: Any = SimpleNamespace(experiment=experiment, base=experiment.trial(), key_of=key_of)
        store: Any = SimpleNamespace(
            scratch_folder=Path,
            cell_folder=lambda key: Path("no folder"),
            sweeps=list,
            write_sweep=lambda sweep: None,
            read_queries=lambda key: self.queries[key],
        )
        watch: Any = SimpleNamespace(
            console=SimpleNamespace(say=lambda line: None),
            ended={},
            collect=lambda cells: None,
            expect=lambda cells: self.expected.append(len(cells)),
        )
        sweep = SweepRecord(
            id="x", name="x", kind="ablation", experiment=experiment.model_dump(mode="json", exclude_none=True),
            select=f"val/{METRIC}", cells=(), baseline="baseline",
        )  # fmt: skip
        super().__init__(setup, store, sweep, watch)

    def design(self, cells: Sequence[PlannedCell], read_test: bool, later: Sequence[PlannedCell] = ()) -> None:
        assert read_test
        assert {cell.key for cell in later} >= {cell.key for cell in cells}, "images would be decoded at each look"
        for cell in cells:
            if cell.key not in self.records:
                if len(self.ran) == self.most:
                    return
                self.ran.append(cell)
            hits_Q = _hits(cell, self.noise, self.of_patients)
            value = float(hits_Q.mean())
            self.queries[cell.key] = QueryResults(
                NAMES, NAMES, {"text_to_image": np.where(hits_Q, 1.0, 50.0)}, {"text_to_image": np.full(QUERIES, 399.0)}
            )
            self.records[cell.key] = self.watch.ended[cell.key] = CellRecord(
                key=cell.key, trial={}, status="finished", pairs=cell.pairs or 0, convergence="converged",
                best={f"val/{METRIC}": value}, final={f"test/{METRIC}": value}, pool={"test/candidates": QUERIES},
            )  # fmt: skip

    @property
    def replicates(self) -> dict[tuple[str, int | None], int]:
        return dict(Counter((cell.arm, cell.pairs) for cell in self.sweep.cells))


def _hits(cell: PlannedCell, noise: float, of_patients: bool) -> np.ndarray:
    """A third of the queries, those that the arm gains, and errors: of each trial, or of the arm on some patients."""
    hits_Q = np.arange(QUERIES) % 3 == 0
    rng = np.random.default_rng([sorted(GAINS).index(cell.arm), cell.subset_seed, cell.pairs or 0])
    gained_Q = ~hits_Q & (rng.random(QUERIES) < GAINS[cell.arm])
    if of_patients:
        rng = np.random.default_rng(sorted(GAINS).index(cell.arm))
    found_Q: np.ndarray = (hits_Q | gained_Q) ^ (rng.random(QUERIES) < noise)
    return found_Q
