"""Rate at which radsweep calls a simulated run converged, rightly and wrongly, compared with an oracle.

Converged means that as many further steps at the same rate add less than a tenth of the gain so far, or less than 1
point. A curve rises as one of three families does; validations have the noise of their queries and of their
checkpoints. radsweep's own schedule judges it. The oracle knows the noise and the family, not the time constant or the
gain; it says "converged" as soon as the likelihood ratio passes a level that makes it wrong in at most 5 % of runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import Figures, run, tell
from convergence_oracle import Oracle
from simulated_curves import FAMILIES, START, Curve, Jump, outcomes

from radsweep.config.training import CONVERGENCES, Convergence, Train
from radsweep.training.schedule import Schedule, schedule_for
from radsweep.training.trail import Trail

BUDGET = 10_000  # steps in which the oracle has to decide; ours has twice as many
EVERY = 80  # steps between validations
TRAIN = Train(until="plateau", max_steps=math.ceil(2 * BUDGET * 1.2), warmup=0.02, cooldown=0.2)
CONSTANTS, GAINS, QUERIES = (300.0, 1000.0, 3000.0), (0.1, 0.3), (50, 100, 400, 2000)
RUNS, FIRST_SEED = 100, 1_000_000  # the rule was chosen on seeds below
WRONG, DECIDED, LATER = 0.05, 0.8, 2.0
PATIENCE = 8  # of the former rule


class Ran(NamedTuple):
    """Answers of one run, and the mean of each of its validations."""

    said: float  # step of "converged"; infinite if it was never said
    at_budget: Convergence
    patient: float  # step at which the former rule found a plateau
    mean_V: np.ndarray


@dataclass(frozen=True)
class Cell:
    """Runs of a curve, validated on so many queries."""

    curve: Curve
    queries: int
    runs: list[Ran]

    @property
    def name(self) -> str:
        return f"{self.curve.family}, {self.curve.constant:.0f} steps, {100 * self.curve.gain:.0f} points"

    def wrong(self, steps: Sequence[float]) -> float:
        """Part of the runs that had not converged at their step."""
        schedule = schedule_for(TRAIN, 1)
        return float(np.mean([step < math.inf and not self.has_converged(schedule, step) for step in steps]))

    def has_converged(self, schedule: Schedule, step: float) -> bool:
        return self.curve.has_converged(schedule.time(int(step)), step)

    def part_of_gain(self, step: float) -> float:
        time = schedule_for(TRAIN, 1).time(int(step))
        return float((self.curve.level(np.array([time]))[0] - START) / self.curve.gain)


def steps_and_time(schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Steps of the validations, and the same counted at the full rate."""
    step_V = np.arange(EVERY, schedule.cooldown_start + 1, EVERY)
    rates = np.cumsum([schedule.rate(step) for step in range(schedule.cooldown_start)])
    return step_V, rates[step_V - 1]


def follow(value_VQ: np.ndarray, step_V: np.ndarray, schedule: Schedule, chance: float) -> tuple[float, Convergence]:
    """Drive radsweep's schedule with each query's results: when it said "converged", and its answer at the budget."""
    trail = Trail()
    at_budget: Convergence = "cannot tell"
    for value_Q, step in zip(value_VQ, step_V.tolist(), strict=True):
        found = schedule.follow(trail, value_Q.astype(np.float64), step, chance)
        schedule.judged(found, step)
        if step <= BUDGET:
            at_budget = found
        if found == "converged":
            return step, at_budget
    return math.inf, at_budget


def patient_step(mean_V: np.ndarray, step_V: np.ndarray, warmup: int) -> float:
    """Step at which `PATIENCE` validations had brought nothing better."""
    best, waited = -math.inf, 0
    for mean, step in zip(mean_V.tolist(), step_V.tolist(), strict=True):
        best, waited = (mean, 0) if mean > best else (best, waited + 1)
        if waited >= PATIENCE and step >= warmup:
            return float(step)
    return math.inf


def simulate(curve: Curve, queries: int, runs: int) -> Cell:
    schedule = schedule_for(TRAIN, 1)
    step_V, time_V = steps_and_time(schedule)
    level_V = curve.level(time_V)
    ran = []
    for seed in range(FIRST_SEED, FIRST_SEED + runs):
        hit_VQ = outcomes(level_V, step_V, queries, np.random.default_rng(seed))
        said, at_budget = follow(hit_VQ, step_V, schedule_for(TRAIN, 1), START)
        mean_V = hit_VQ.mean(1)
        ran.append(Ran(said, at_budget, patient_step(mean_V, step_V, schedule.warmup), mean_V))
    return Cell(curve, queries, ran)


def oracle_steps(cells: Sequence[Cell]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The oracle's step of "converged" in each run of cells of one family and number of queries, and if it knows an
    answer at the budget, calibrated so that it is wrong in at most 5 % of the runs of each of them."""
    schedule = schedule_for(TRAIN, 1)
    step_V, time_V = steps_and_time(schedule)
    found, levels = [], [0.0]
    for cell in cells:
        oracle = Oracle(cell.curve, step_V, time_V, schedule.warmup, BUDGET)
        deviate_RB = oracle.deviates(np.array([ran.mean_V for ran in cell.runs]), cell.queries)
        found.append((oracle.step_B, deviate_RB))
        before_R = np.where(oracle.converged_B, -np.inf, deviate_RB).max(1)
        levels.append(float(np.quantile(before_R, 1 - WRONG, method="higher")))
    level = max(levels)
    return [
        (np.where((of_RB > level).any(1), step_B[(of_RB > level).argmax(1)], np.inf), np.abs(of_RB[:, -1]) > level)
        for step_B, of_RB in found
    ]


def checked(cells: Sequence[Cell]) -> Iterator[Figures]:
    """One row for each cell: the three requirements, and what the former rule did."""
    for cell, (oracle_R, knows_R) in zip(cells, oracle_steps(cells), strict=True):
        runs = len(cell.runs)
        said_R = np.array([ran.said for ran in cell.runs])
        by = float(np.sort(oracle_R)[math.ceil(DECIDED * runs) - 1])
        decides = by < math.inf
        wrong = cell.wrong(said_R.tolist())
        at_budget = {answer: float(np.mean([ran.at_budget == answer for ran in cell.runs])) for answer in CONVERGENCES}
        truth = "converged" if cell.has_converged(schedule_for(TRAIN, 1), BUDGET) else "still rising"
        wrongly_rising = at_budget["still rising"] if truth == "converged" else 0.0
        hidden = knows_R.mean() < DECIDED
        prevails = max(at_budget, key=lambda answer: at_budget[answer])
        patient = [ran.patient for ran in cell.runs if ran.patient < math.inf]
        yield {
            "curve": cell.name,
            "queries": cell.queries,
            "wrong": wrong,
            "wrongly_rising": wrongly_rising,
            "wrong_ok": max(wrong, wrongly_rising) <= WRONG + 2 * math.sqrt(WRONG * (1 - WRONG) / runs),
            "oracle_step": by,
            "in_time": float(np.mean(said_R <= LATER * by)) if decides else None,
            "in_time_ok": bool(np.mean(said_R <= LATER * by) >= DECIDED) if decides else None,
            "at_budget": at_budget,
            "hidden_ok": prevails in ("cannot tell", truth) if hidden else None,
            "cannot_tell_ok": prevails == "cannot tell" if hidden else None,
            "patience_wrong": cell.wrong([ran.patient for ran in cell.runs]),
            "patience_part_of_gain": float(np.median([cell.part_of_gain(step) for step in patient])),
        }


def annealed(runs: int) -> Figures:
    """A cosine of 1,000 steps: the part of runs that are called converged, now and by the former rule."""
    train = Train(until="steps", steps=1000)
    rows = {}
    for constant in CONSTANTS:
        curve, step_V = Curve("exponential", constant, 0.3), np.arange(20, 1001, 20)
        schedule = schedule_for(train, 1)
        time_V = np.cumsum([schedule.rate(step) for step in range(1000)])[step_V - 1]
        said, former = 0, 0
        for seed in range(FIRST_SEED, FIRST_SEED + runs):
            hit_VQ = outcomes(curve.level(time_V), step_V, 100, np.random.default_rng(seed))
            said += follow(hit_VQ, step_V, schedule_for(train, 1), START)[0] < math.inf
            mean_V = hit_VQ.mean(1)
            former += len(mean_V) - 1 - int(mean_V.argmax()) >= PATIENCE
        rows[f"{constant:.0f} steps"] = {"converged": said / runs, "former": former / runs}
    return rows


def jumps(runs: int) -> Figures:
    """Curves that gain as much again at once, later: nothing can foresee them."""
    found = {}
    for at in (2000.0, 6000.0):
        cell = simulate(Jump("exponential", 300.0, 0.1, at), 400, runs)
        found[f"at {at:.0f} steps"] = {"converged_before": float(np.mean([ran.said < at for ran in cell.runs]))}
    return found


def recorded(folder: Path) -> Iterator[Figures]:
    """Real curves of record_curves.py: the answer, and the gain of as many steps again on the same queries."""
    for file in sorted(folder.glob("*.npz")):
        with np.load(file) as kept:
            step_V, rank_VQ, warmup = kept["step"], kept["rank"], int(kept["warmup"])
        hit_VQ = rank_VQ <= 10
        until = int(step_V[-1])
        schedule = schedule_for(Train(max_steps=math.ceil(1.2 * until) + 1, warmup=warmup / (1.2 * until)), 1)
        mean_V = hit_VQ.mean(1)
        said, _ = follow(hit_VQ, step_V, schedule, min(1.0, 10 / hit_VQ.shape[1]))
        row: Figures = {"curve": file.stem, "steps": until, "queries": hit_VQ.shape[1], "said": said}
        row |= {"former": patient_step(mean_V, step_V, warmup), "answer": schedule.convergence}
        for name in ("said", "former"):
            if 2 * row[name] <= until:
                parts = [
                    hit_VQ[(step_V > 0.9 * at) & (step_V <= 1.1 * at)].mean(0) for at in (row[name], 2 * row[name])
                ]
                change_Q = parts[1] - parts[0]
                row[f"{name}_gain_so_far"] = float(parts[0].mean() - hit_VQ[0].mean())
                row[f"{name}_further_gain"] = float(change_Q.mean())
                row[f"{name}_error"] = float(change_Q.std(ddof=1) / len(change_Q) ** 0.5)
        yield row


def measure(folder: Path, quick: bool, curves: Path | None = None) -> Figures:
    runs = 10 if quick else RUNS
    constants, queries = ((300.0, 3000.0), (50, 400)) if quick else (CONSTANTS, QUERIES)
    rows: list[Figures] = []
    for family, size in itertools.product(FAMILIES, queries):
        tell(f"{family}, {size} queries")
        curves_of = [Curve(family, constant, gain) for constant in constants for gain in GAINS]
        rows += checked([simulate(curve, size, runs) for curve in curves_of])
    checks = {
        name: {
            "met": sum(row[f"{name}_ok"] is True for row in rows),
            "of": sum(row[f"{name}_ok"] is not None for row in rows),
        }
        for name in ("wrong", "in_time", "hidden", "cannot_tell")
    }
    found = {"runs": runs, "checks": checks, "annealed": annealed(runs), "late jumps": jumps(runs)}
    shown = {f"{row['queries']} queries, {row['curve']}": row for row in rows}
    real = {row["curve"]: row for row in recorded(curves)} if curves else {}
    return found | {"cells": shown} | ({"recorded": real} if real else {})


if __name__ == "__main__":
    run(measure, curves="folder of record_curves.py, whose real curves are judged too")
