"""Replicates that are added look by look, of an ablation with `seeds.until: decided`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from radsweep.config.ablation import Ablation
from radsweep.evaluation.statistics import FIRST_LOOK
from radsweep.store.records import ArmSize, PlannedCell


def first_replicates(cells: Iterable[PlannedCell], ablation: Ablation) -> dict[ArmSize, int]:
    """The number of replicates of each arm and size at the first look."""
    first = min(FIRST_LOOK, ablation.seeds.most)
    return {(cell.arm, cell.pairs): first for cell in cells}


def with_one_more(
    replicates: Mapping[ArmSize, int], still_open: Collection[ArmSize], baseline: str, most: int
) -> dict[ArmSize, int]:
    """Another replicate of what is open, and of the baseline beside it; no change where all have the most."""
    grown = dict(replicates)
    for arm, size in still_open:
        grown[arm, size] = min(grown[arm, size] + 1, most)
        grown[baseline, size] = max(grown[baseline, size], grown[arm, size])
    return grown


def cells_through(cells: Sequence[PlannedCell], replicates: Mapping[ArmSize, int]) -> list[PlannedCell]:
    """The cells of so many replicates of each arm and size, in the order of the plan."""
    number = {seed: index for index, seed in enumerate(sorted({cell.subset_seed for cell in cells}))}
    return [cell for cell in cells if number[cell.subset_seed] < replicates[cell.arm, cell.pairs]]
