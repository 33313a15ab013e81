"""What a planned ablation could show, from the variance components of an earlier one on the same data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from radsweep.config.experiment import Experiment
from radsweep.evaluation.statistics import FIRST_LOOK, Correction, Difference, detectable, planned_looks, with_seeds
from radsweep.report import wording
from radsweep.report.analysis.claims import margin_in_units
from radsweep.report.analysis.results import Results, join
from radsweep.store.records import PlannedCell
from radsweep.store.store import Store

FEWEST_SEEDS = 2  # of an earlier comparison, to know how much seeds vary


def power_notes(store: Store, experiment: Experiment, cells: Sequence[PlannedCell], fingerprint: str) -> list[str]:
    """For each planned size the smallest difference that it would show; none without an earlier sweep to learn from."""
    ablation = experiment.ablation
    if ablation is None or (earlier := _earlier(store, experiment, fingerprint)) is None:
        return []
    return list(_notes(experiment, cells, earlier))


def _notes(experiment: Experiment, cells: Sequence[PlannedCell], earlier: Results) -> Iterator[str]:
    ablation = experiment.ablation
    assert ablation is not None
    places = dict.fromkeys((cell.arm, cell.pairs) for cell in cells)
    sizes = list(dict.fromkeys(size for _, size in places))
    comparisons = max(len(places) - len(sizes), 1)
    for size in sizes:
        known = _nearest(earlier, size)
        if not known:
            continue
        arms = sum(at == size for _, at in places)
        looks = planned_looks(ablation.seeds.most) if ablation.seeds.until else 1
        correction = Correction(comparisons, planned_looks=looks, arms=arms)
        changes = [replace(change, correction=correction) for change in known]
        seeds = ablation.seeds.most
        if seeds < FEWEST_SEEDS:
            at = wording.size_name(size)
            yield f"With one replicate nothing can be claimed at {at}; set ablation.seeds to 3 or more."
            continue
        found = median(detectable(*with_seeds(change, seeds, keep=True)) for change in changes)
        at_most = "at most " if ablation.seeds.until else ""
        yield (
            f"At {wording.size_name(size)}, {at_most}{seeds} replicates would show a difference of about "
            f"{wording.unsigned(earlier.metric, found)} (in 80 %), as {earlier.sweep.id} varied."
        )
        small = margin_in_units(earlier.metric, ablation.equivalence_margin)
        if ablation.seeds.until and small and (enough := _until_equivalent(changes, small, seeds)):
            yield (
                f"At {wording.size_name(size)}, about {enough} replicates would decide a comparison without a "
                f"difference, so about {enough * arms:,} of at most {seeds * arms:,} trials."
            )


def _until_equivalent(changes: Sequence[Difference], small: float, most: int) -> int | None:
    """Replicates after which most comparisons without a difference are decided; None if more than `most`."""
    for seeds in range(FIRST_LOOK, most + 1):
        widths = []
        for change in changes:
            parts, correction = with_seeds(change, seeds, keep=True)
            widths.append(parts.half_width(correction.alpha))
        if median(widths) < small:
            return seeds
    return None


def _earlier(store: Store, experiment: Experiment, fingerprint: str) -> Results | None:
    """The latest finished ablation on the same data that is selected by the same metric and has intervals."""
    found = [
        sweep
        for sweep in store.sweeps()
        if sweep.kind == "ablation"
        and sweep.status == "finished"
        and sweep.data.get("fingerprint") == fingerprint
        and sweep.select == experiment.evaluate.select
    ]
    for sweep in sorted(found, key=lambda sweep: sweep.created, reverse=True):
        results = join(sweep, store.read_records(sweep), store.read_queries)
        if any(change.seeds >= FEWEST_SEEDS for change in results.evidence.differences.values()):
            return results
    return None


def _nearest(earlier: Results, size: int | None) -> list[Difference]:
    """The comparisons at the size that is nearest in proportion; all pairs are farthest from every number."""
    by_size: dict[int | None, list[Difference]] = {}
    for (_, at), change in earlier.evidence.differences.items():
        if change.seeds >= FEWEST_SEEDS and change.parts.variance > 0:
            by_size.setdefault(at, []).append(change)

    def distance(at: int | None) -> float:
        if at == size:
            return 0.0
        return math.inf if at is None or size is None else abs(math.log(at / size))

    return by_size[min(by_size, key=distance)] if by_size else []
