"""The statistics as plain numbers under the names that MLflow shows on the sweep's own run."""

from __future__ import annotations

from radsweep.report.results import Results


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
        if times := evidence.multipliers.get(place):
            found |= {
                f"{name}/multiplier": times.estimate,
                f"{name}/multiplier_low": times.low,
                f"{name}/multiplier_high": times.high,
            }
    return found
