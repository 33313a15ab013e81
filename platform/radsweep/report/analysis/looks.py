"""Comparisons that more replicates may still decide, of an ablation with `seeds.until: decided`."""

from __future__ import annotations

from radsweep.evaluation.statistics import stops
from radsweep.report.analysis.claims import Claim, claims, few_patients, margin
from radsweep.report.analysis.results import Results
from radsweep.store.records import ArmSize


def open_comparisons(results: Results) -> list[ArmSize]:
    """Arms and sizes that the next look needs another replicate of."""
    return [(found.arm, found.size) for found in claims(results) if _needs_more(results, found)]


def _needs_more(results: Results, found: Claim) -> bool:
    """False as well where more replicates cannot help: training not converged, no interval, too few patients."""
    if found.verdict not in ("open", "cannot be claimed") or found.change is None or few_patients(found.change):
        return False
    return not stops(found.change, margin(results) or 0.0)
