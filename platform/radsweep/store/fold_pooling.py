"""Pool the folds of a cross-validation: the k cells of a replicate become one. Each pair is a query in one fold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from radsweep.config.training import joint_convergence
from radsweep.evaluation.queries import Queries, QueryResults, concatenated, no_queries
from radsweep.store.records import CellRecord, PlannedCell, Validation

_JOIN = "|"  # between the keys of folds, in the key of a pooled cell


def fold_keys(key: str) -> list[str]:
    """Return the keys of the cells behind a pooled one; for another cell, its own."""
    return key.split(_JOIN)


def pooled_queries(queries: Queries) -> Queries:
    """Extend `queries` to pooled cells; the result is None if a fold has none."""

    def of(key: str) -> QueryResults | None:
        found = [queries(part) for part in fold_keys(key)]
        parts = [part for part in found if part is not None]
        if len(parts) < len(found):
            return None
        return parts[0] if len(parts) == 1 else concatenated(parts)

    return of


def pool_folds(
    cells: Iterable[PlannedCell], records: Mapping[str, CellRecord], queries: Queries = no_queries
) -> tuple[list[PlannedCell], dict[str, CellRecord]]:
    """Pool the folds of each replicate into one cell and one record; cells without a fold are unchanged.

    A replicate without the record of every fold has none; a replicate with a failed fold counts as failed.

    Args:
        queries: results of a fold's queries. The median rank needs them, since it is not a mean over queries; it is
            left out without them.
    """
    members: dict[tuple[object, ...], list[PlannedCell]] = {}
    for cell in cells:
        replicate = (cell.arm, cell.pairs, cell.subset_seed, cell.init_seed)
        members.setdefault((cell.number,) if cell.fold is None else replicate, []).append(cell)
    pooled: list[PlannedCell] = []
    found = dict(records)
    for folds in members.values():
        if folds[0].fold is None:
            pooled += folds
            continue
        folds = sorted(folds, key=lambda cell: cell.fold or 0)
        key = _JOIN.join(cell.key for cell in folds)
        pooled.append(folds[0].model_copy(update={"key": key, "fold": None}))
        of_folds = [records.get(cell.key) for cell in folds]
        there = [record for record in of_folds if record is not None]
        failed = [number for number, record in enumerate(of_folds) if record and record.status == "failed"]
        if failed:
            first = of_folds[failed[0]]
            assert first is not None
            found[key] = first.model_copy(update={"key": key, "error": f"fold {failed[0]}: {first.error}"})
        elif len(there) == len(folds):
            found[key] = _pooled(key, there, pooled_queries(queries)(key))
    return pooled, found


def _pooled(key: str, folds: Sequence[CellRecord], queries: QueryResults | None) -> CellRecord:
    val, test = ([record.pool.get(f"{split}/queries", 0) for record in folds] for split in ("val", "test"))
    final = _mean([record.final for record in folds], test)
    if queries is not None:
        medians = {f"test/{name}/median_rank": float(np.median(ranks)) for name, ranks in queries.ranks.items()}
        final |= {name: value for name, value in medians.items() if all(name in record.final for record in folds)}
    chances = [record.chance for record in folds]
    chance = _mean(chances, val, "val/") | _mean(chances, test, "test/")
    subsets = [record.subset_sha256 for record in folds]
    return folds[0].model_copy(
        update={
            "key": key,
            "status": "finished" if all(record.status == "finished" for record in folds) else "stopped",
            "pairs": min(record.pairs for record in folds),
            "subset_sha256": hashlib.sha256("\n".join(subsets).encode()).hexdigest() if all(subsets) else "",
            "history": _history(folds),
            "best": _mean([record.best for record in folds], val),
            "best_step": round(np.mean([record.best_step for record in folds])),
            "final": final,
            "pool": {
                name: (sum if name.endswith("/queries") else min)(record.pool.get(name, 0) for record in folds)
                for name in folds[0].pool
            },
            "chance": chance,
            "convergence": joint_convergence(record.convergence for record in folds),
            "epochs": sum(record.epochs for record in folds),
            "steps": sum(record.steps for record in folds),
            "seconds": {part: sum(record.seconds.get(part, 0.0) for record in folds) for part in folds[0].seconds},
            "timestamps": {},
            "stages": {
                f"{name} of fold {number}": key
                for number, record in enumerate(folds)
                for name, key in record.stages.items()
            },
            "notes": tuple(dict.fromkeys(note for record in folds for note in record.notes)),
            "started": min(record.started for record in folds),
            "ended": max(record.ended for record in folds),
        }
    )


def _mean(folds: Sequence[Mapping[str, float]], queries: Sequence[int], prefix: str = "") -> dict[str, float]:
    """Mean over all queries of each metric that every fold has; metrics of classes are averaged in the same way."""
    weights = np.array(queries, dtype=np.float64)
    if not weights.sum():
        return {}
    names = [name for name in folds[0] if name.startswith(prefix) and not name.endswith("/median_rank")]
    return {
        name: float(np.average([fold[name] for fold in folds], weights=weights))
        for name in names
        if all(name in fold for fold in folds)
    }


def _history(folds: Sequence[CellRecord]) -> tuple[Validation, ...]:
    """Mean over the folds at their first validation, their second, ..., until the first fold ends."""
    return tuple(
        Validation(
            epoch=max(look.epoch for look in looks),
            step=max(look.step for look in looks),
            seconds=sum(look.seconds for look in looks),
            metrics={
                name: float(np.mean([look.metrics[name] for look in looks]))
                for name in looks[0].metrics
                if all(name in look.metrics for look in looks)
            },
        )
        for looks in zip(*(record.history for record in folds), strict=False)
    )
