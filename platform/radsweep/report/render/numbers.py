"""The statistics as plain numbers: for MLflow under the names of the sweep's own run, for report.json in full."""

from __future__ import annotations

import dataclasses
from typing import Any

from radsweep.report.analysis.results import Results
from radsweep.report.tables.comparisons import other_metrics
from radsweep.report.text import multipliers


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
                f"{name}/p_holm": evidence.p_holm[place],
            }
        times = evidence.multipliers.get(place)
        if times and multipliers.says_something(times):
            found |= {
                f"{name}/multiplier": times.estimate,
                f"{name}/multiplier_low": times.low,
                f"{name}/multiplier_high": times.high,
                f"{name}/multiplier_beyond": float(multipliers.beyond(times)),
                f"{name}/multiplier_trusted": float(multipliers.trusted(results, group)),
            }
    return found


def effect_numbers(results: Results) -> list[dict[str, Any]]:
    """Effects of a factorial design, as in the report's table."""
    evidence = results.evidence
    return [
        {"size": size, **dataclasses.asdict(effect), "p_holm": evidence.effects_p_holm[size, effect.factors]}
        for size, found in evidence.effects.items()
        for effect in found
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
                    "p_holm": evidence.p_holm.get((arm, size)),
                    "left_out": evidence.left_out,
                }
            )
    return rows
