"""The statistics as plain numbers: for MLflow under the names of the sweep's own run, for report.json in full."""

from __future__ import annotations

import dataclasses
from typing import Any

from radsweep.report.analysis.claims import claims
from radsweep.report.analysis.results import Results
from radsweep.report.tables.comparisons import other_metrics
from radsweep.report.text import multipliers
from radsweep.report.text.best import selection


def logged(results: Results) -> dict[str, float]:
    """{`arm/local/300/test/text_to_image/recall_at_10/difference_low`: value, ...}: of intervals, p and multiplier.

    Means and deviations over replicates are not among them: the sweep has them without a report.
    """
    evidence = results.evidence
    found: dict[str, float] = {}
    for group in results.groups:
        place = (group.arm, group.size)
        name = f"arm/{group.arm}/{group.trained}/{results.metric}"
        if interval := evidence.levels.get(place):
            found |= {f"{name}/low": interval.low, f"{name}/high": interval.high}
        if change := evidence.differences.get(place):
            found |= {
                f"{name}/difference": change.estimate,
                f"{name}/difference_low": change.low,
                f"{name}/difference_high": change.high,
                f"{name}/p_adjusted": change.p_adjusted,
            }
        times = evidence.multipliers.get(place)
        if times and multipliers.says_something(times):
            ends = {"multiplier": times.estimate, "multiplier_low": times.low, "multiplier_high": times.high}
            found |= {f"{name}/{end}": value for end, value in ends.items() if value is not None}
            found[f"{name}/multiplier_trusted"] = float(multipliers.trusted(results, group))
    return found


def effect_numbers(results: Results) -> list[dict[str, Any]]:
    """Effects of a factorial design, as in the report's table."""
    evidence = results.evidence
    return [
        {"size": size, **dataclasses.asdict(effect)} for size, found in evidence.effects.items() for effect in found
    ]


def measure_numbers(results: Results) -> list[dict[str, Any]]:
    """Other metrics by arm and size, as in the report's table."""
    rows = []
    for metric in other_metrics(results):
        evidence = results.evidence_of(metric)
        for (arm, size), interval in evidence.levels.items():
            change = evidence.differences.get((arm, size))
            rows.append(
                {
                    "metric": metric,
                    "arm": arm,
                    "size": size,
                    "interval": dataclasses.asdict(interval),
                    "change": dataclasses.asdict(change) if change else None,
                    "left_out": evidence.left_out,
                }
            )
    return rows


def comparison_numbers(results: Results) -> list[dict[str, Any]]:
    """Every comparison with the baseline: its simultaneous interval, its verdict, and what would decide it."""
    rows = []
    for found in claims(results):
        change = found.change
        ends = (
            {"estimate": change.estimate, "low": change.low, "high": change.high, "level": change.level}
            if change
            else {}
        )
        rest = (
            {
                "p": change.p,
                "p_adjusted": change.p_adjusted,
                "standard_error": change.standard_error,
                "compared": change.correction.comparisons,
                "look": change.correction.look,
                "seeds": change.seeds,
                "patients": change.patients,
            }
            if change
            else {}
        )
        outlook = dataclasses.asdict(found.outlook) if found.outlook else None
        rows.append(
            {"arm": found.arm, "size": found.size, "verdict": found.verdict, "why": found.why}
            | ends
            | rest
            | {"outlook": outlook}
        )
    return rows


def level_numbers(results: Results) -> list[dict[str, Any]]:
    """The mean of every arm and size with its interval."""
    return [
        {"arm": arm, "size": size, "estimate": found.estimate, "low": found.low, "high": found.high}
        for (arm, size), found in results.evidence.levels.items()
    ]


def multiplier_numbers(results: Results) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "size": size, "estimate": found.estimate, "low": found.low, "high": found.high}
        for (arm, size), found in results.evidence.multipliers.items()
    ]


def recommended(results: Results) -> dict[str, Any] | None:
    """The arm that best.yaml runs, and why."""
    chosen = selection(results)
    best = chosen.recommended
    return {"arm": best.arm, "size": best.pairs, "reason": str(chosen.reason)} if best else None
