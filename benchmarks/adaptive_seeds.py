"""Trials that `ablation.seeds: {max: 12, until: decided}` saves against 12 fixed seeds, and its false claims.

Ablations are simulated: a third of the comparisons is null, a third small (2 and 8), a third large (16). The unit is
the standard error of a difference from seeds at 12 seeds. The product's own intervals, looks and rule decide when an
arm stops. A decision is what the simultaneous interval supports: it excludes 0, lies within the margin, or neither.

False is a claim of a direction that the truth does not have, and "equivalent" where the truth reaches the margin.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from common import machine, quiet_output, tell

from radsweep.evaluation.statistics import (
    FIRST_LOOK,
    Correction,
    Difference,
    Estimates,
    difference,
    planned_looks,
    stops,
)

MOST = 12  # seeds
PATIENTS = 200
ARMS, PATIENT_VARIANCES, MARGIN, OTHER_MARGINS = (4, 8, 20), (0.0, 0.5, 1.0), 8.0, (6.0, 4.0, None)
EFFECTS = (0.0, 2.0, 16.0, 0.0, 8.0, 16.0)  # arm by arm, again and again
GATES = {"trials": 0.5, "same decision": 0.9, "false": 0.05}


def simulated(arms: int, patient_variance: float, rng: np.random.Generator) -> tuple[Estimates, dict[str, float]]:
    """An ablation with all its seeds, and the true difference of each arm from the baseline."""
    truth = {f"arm {n}": EFFECTS[(n - 1) % len(EFFECTS)] for n in range(1, arms)}
    mean_A = np.array([0.0, *truth.values()])
    seeds_AR = rng.normal(0, np.sqrt(MOST / 2), (arms, MOST)) + rng.normal(0, 3, MOST)
    of_patient_PA = rng.normal(0, np.sqrt(patient_variance * PATIENTS / 2), (PATIENTS, arms))
    deviation_PA = (of_patient_PA - of_patient_PA.mean(0)) / np.sqrt(PATIENTS * (PATIENTS - 1))
    return (
        Estimates(
            arms=("baseline", *truth),
            value_AR=mean_A[:, None] + seeds_AR + of_patient_PA.mean(0)[:, None],
            influence_PAR=np.repeat(deviation_PA[:, :, None], MOST, axis=2),
            patients=PATIENTS,
            queries=PATIENTS,
            patient_degrees=PATIENTS - 1.0,
            span=1000.0,
        ),
        truth,
    )


def after(whole: Estimates, stopped: Mapping[str, int], seeds: int) -> Estimates:
    """The estimates after a number of seeds, of which some arms have only their first ones."""
    found = whole.select([arm for arm in whole.arms if arm not in stopped])
    partial_AR = np.full((len(stopped), seeds), np.nan)
    for values_R, (arm, ran) in zip(partial_AR, stopped.items(), strict=True):
        values_R[:ran] = whole.value_AR[whole.arms.index(arm), :ran]
    return dataclasses.replace(
        found,
        value_AR=found.value_AR[:, :seeds],
        influence_PAR=found.influence_PAR[:, :, :seeds],
        partial_AR=partial_AR if stopped else None,
    )


def adaptive(whole: Estimates, margin: float | None) -> tuple[dict[str, Difference], int]:
    """The comparison of each arm at the look at which it stopped, and the trials that were run."""
    arms = len(whole.arms)
    stopped, found, seeds = dict[str, int](), dict[str, Difference](), FIRST_LOOK
    for seeds in range(FIRST_LOOK, MOST + 1):
        estimates = after(whole, stopped, seeds)
        correction = Correction(arms - 1, 1, planned_looks(MOST), arms)
        for arm in estimates.arms[1:]:
            found[arm] = difference(estimates, arm, "baseline", correction)
            if stops(found[arm], margin or 0.0):
                stopped[arm] = seeds
        if len(stopped) == arms - 1:
            break
    return found, seeds + sum(stopped.get(arm, MOST) for arm in whole.arms[1:])


def decision(change: Difference, margin: float | None) -> str:
    if change.clear:
        return "better" if change.estimate > 0 else "worse"
    return "equivalent" if margin is not None and change.within(margin) else "open"


def is_false(said: str, truth: float, margin: float | None) -> bool:
    if said == "equivalent":
        return abs(truth) >= (margin or 0.0)
    return (said == "better" and truth <= 0) or (said == "worse" and truth >= 0)


def measure(arms: int, patient_variance: float, margin: float | None, reports: int) -> dict[str, Any]:
    trials, same, compared, false, false_fixed = 0, 0, 0, 0, 0
    for report in range(reports):
        whole, truth = simulated(arms, patient_variance, np.random.default_rng([arms, report]))
        fixed = {arm: difference(whole, arm, "baseline", Correction(arms - 1)) for arm in truth}
        found, run = adaptive(whole, margin)
        said: Mapping[str, str] = {arm: decision(found[arm], margin) for arm in truth}
        said_fixed = {arm: decision(fixed[arm], margin) for arm in truth}
        trials += run
        same += sum(said[arm] == said_fixed[arm] for arm in truth)
        compared += len(truth)
        false += any(is_false(said[arm], true, margin) for arm, true in truth.items())
        false_fixed += any(is_false(said_fixed[arm], true, margin) for arm, true in truth.items())
    return {
        "arms": arms,
        "patient variance": patient_variance,
        "margin": margin,
        "trials": round(trials / (reports * arms * MOST), 3),
        "same decision": round(same / compared, 3),
        "false": round(false / reports, 4),
        "false with fixed seeds": round(false_fixed / reports, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--reports", type=int, default=1000, help="simulated ablations of each row")
    options = parser.parse_args()
    reports = 20 if options.quick else options.reports
    allowed = GATES["false"] + 2 * np.sqrt(GATES["false"] * (1 - GATES["false"]) / reports)
    rows, missed = [], []
    with quiet_output() as out:
        for margin in (MARGIN, *OTHER_MARGINS):
            for arms in ARMS:
                for variance in PATIENT_VARIANCES:
                    row = measure(arms, variance, margin, reports)
                    tell(json.dumps(row))
                    rows.append(row)
                    gates = {
                        "trials": row["trials"] <= GATES["trials"],
                        "same decision": row["same decision"] >= GATES["same decision"],
                        "false": row["false"] <= allowed,
                    }
                    if margin == MARGIN:
                        missed += [{**row, "gate": gate} for gate, passed in gates.items() if not passed]
        figures = {"reports": reports, "rows": rows, "missed": missed, "machine": machine()}
        print(json.dumps(figures, indent=None if options.json else 1), file=out, flush=True)


if __name__ == "__main__":
    main()
