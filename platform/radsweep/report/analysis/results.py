"""The sweep's plan joined with its records: one Result a cell, one Group an arm and size."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from radsweep.config.ablation import ON_OFF
from radsweep.config.metrics import HIGHER_IS_BETTER, Metric
from radsweep.data.shards.groups import Traits, no_traits
from radsweep.evaluation.chance import chance
from radsweep.evaluation.queries import Queries, no_queries
from radsweep.evaluation.statistics import Correction, planned_looks
from radsweep.evaluation.summary import Comparison, Replicate, Spread, compare, spread
from radsweep.report.analysis.evidence import Evidence, Runs, evidence
from radsweep.store.arm_progress import ArmProgress, arm_progress
from radsweep.store.fold_pooling import pool_folds, pooled_queries
from radsweep.store.ledger import NOTHING_READ, Ledger
from radsweep.store.records import ArmSize, CellRecord, PlannedCell, SweepRecord
from radsweep.store.selection import Selection, select_best

Found = TypeVar("Found")


@dataclass(frozen=True)
class Result:
    """A place in the design and the record that fills it; None while it has not run."""

    planned: PlannedCell
    record: CellRecord | None

    @property
    def replicate(self) -> Replicate:
        return self.planned.subset_seed, self.planned.init_seed

    @property
    def status(self) -> str:
        return self.record.status if self.record else "missing"

    def value(self, metric: str) -> float | None:
        """`val/...` of the selected checkpoint or `test/...`; None if it failed, was not read or is not finite."""
        if self.record is None or self.record.status == "failed":
            return None
        found = (self.record.final if metric.startswith("test/") else self.record.best).get(metric)
        return found if found is not None and math.isfinite(found) else None

    def untested(self, metric: str) -> bool:
        """True if it ended without a failure, but has no number of a metric of the test split."""
        ended = self.record is not None and self.record.status != "failed"
        return ended and metric.startswith("test/") and self.value(metric) is None


@dataclass(frozen=True)
class Group:
    """All replicates of an arm at a size (None: all pairs, or the base trial's own number)."""

    arm: str
    size: int | None
    results: tuple[Result, ...]

    def values(self, metric: str) -> dict[Replicate, float]:
        return {r.replicate: value for r in self.results if (value := r.value(metric)) is not None}

    def spread(self, metric: str) -> Spread | None:
        values = self.values(metric)
        return spread(list(values.values())) if values else None

    def measured(self, metric: str) -> list[Result]:
        return [r for r in self.results if r.value(metric) is not None]

    def untested(self, metric: str) -> list[Result]:
        """Results that lack the metric of the test split, though they ended without a failure."""
        return [r for r in self.results if r.untested(metric)]

    @property
    def trained(self) -> int:
        """Pairs that it trained on, on average."""
        pairs = [r.record.pairs for r in self.results if r.record and r.record.pairs]
        return round(sum(pairs) / len(pairs)) if pairs else self.size or 1


@dataclass(frozen=True)
class Results:
    """A sweep with its cells, and the one metric that the report is about."""

    sweep: SweepRecord
    all: tuple[Result, ...]
    groups: tuple[Group, ...]
    metric: str
    tuning: tuple[Result, ...] = ()  # trials that chose the settings of its arms
    references: tuple[Result, ...] = ()  # public models on the same test split
    queries: Queries = no_queries
    stages: Mapping[str, CellRecord] = field(default_factory=dict)  # adaptation that cells started from, by key
    ledger: Ledger = NOTHING_READ  # of the test split
    traits: Traits = no_traits  # of the test studies, which group them
    _evidence: dict[str, Evidence] = field(default_factory=dict, init=False, repr=False, compare=False)  # by metric
    kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # see `once`

    @property
    def evidence(self) -> Evidence:
        """The statistics of the metric that the report is about."""
        return self.evidence_of(self.metric)

    def evidence_of(self, metric: str) -> Evidence:
        if metric not in self._evidence:
            self._evidence[metric] = self._new_evidence(metric)
        return self._evidence[metric]

    def _new_evidence(self, metric: str) -> Evidence:
        if self.sweep.kind != "ablation":
            return Evidence(metric, gap="nothing is compared")
        places = {(g.arm, g.size): g for g in self.groups}
        runs = Runs(
            {place: {r.replicate: r.planned.key for r in g.measured(metric)} for place, g in places.items()},
            self.queries,
            {place: g.values(metric) for place, g in places.items()},
            {g.size: g.trained for g in self.groups if g.arm == self.sweep.baseline},
            self.factors,
            self._correction,
        )
        return evidence(metric, self.sweep.baseline, runs)

    def _correction(self, place: ArmSize) -> Correction:
        """The comparisons of the whole plan count from the start, so that intervals do not widen as a sweep goes on."""
        comparisons = max(sum(group.arm != self.sweep.baseline for group in self.groups), 1)
        look, ablation = 1 + self.ledger.earlier_looks.get(place, 0), self.sweep.ablation
        if ablation is None or ablation.seeds.until is None:
            return Correction(comparisons, look)
        arms = sum(group.size == place[1] for group in self.groups)
        return Correction(comparisons, look, planned_looks(ablation.seeds.most), arms)

    @property
    def factors(self) -> dict[str, frozenset[str]]:
        """Techniques that are on, by arm, of a factorial design or a fraction of one."""
        ablation = self.sweep.ablation
        if ablation is None or ablation.design not in ON_OFF:
            return {}
        changes = {r.planned.arm: r.planned.changes for r in self.all}
        active = {name: of for name, of in ablation.arms.items() if of}
        return {
            arm: frozenset(name for name, of in active.items() if of.items() <= switched.items())
            for arm, switched in changes.items()
        }

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(g.arm for g in self.groups))

    @property
    def sizes(self) -> list[int | None]:
        found = {g.size for g in self.groups}
        return [*sorted(s for s in found if s is not None), *([None] if None in found else [])]

    @property
    def higher(self) -> bool:
        return Metric(self.metric).higher

    @cached_property
    def measured(self) -> list[Result]:
        """Those that count: not the lower rungs of a search over data size."""
        return [r for r in self.all if r.value(self.metric) is not None and not r.planned.lower_rung]

    def replicate_number(self, replicate: Replicate) -> int:
        """1, 2, ...: the same number is the same subset and start in every arm."""
        return self._replicates.index(replicate) + 1

    @cached_property
    def _replicates(self) -> list[Replicate]:
        return sorted({r.replicate for r in self.all})

    def group(self, arm: str, size: int | None) -> Group | None:
        return next((g for g in self.groups if (g.arm, g.size) == (arm, size)), None)

    @cached_property
    def progress(self) -> Mapping[ArmSize, ArmProgress]:
        """Planned, ended and failed replicates by arm and size."""
        records = {r.planned.key: r.record for r in self.all if r.record}
        found = arm_progress([r.planned for r in self.all], records, self.sweep.select)
        return {(progress.arm, progress.pairs): progress for progress in found}

    def result(self, cell: PlannedCell | None) -> Result | None:
        """The result at a cell's place in the plan."""
        return next((r for r in self.all if cell is not None and r.planned.number == cell.number), None)

    def selection(self, better: Collection[ArmSize] = (), ruled_out: Collection[ArmSize] = ()) -> Selection:
        """The rule of "best" applied to these results; `report.best.selection` adds what the comparisons show."""
        records = {r.planned.key: r.record for r in self.all if r.record}
        return select_best(self.sweep, [r.planned for r in self.all], records, better, ruled_out)

    @cached_property
    def leader(self) -> Result | None:
        """The best on the validation split, recommended or not: of a search its best trial."""
        return self.result(self.selection().leader)

    def comparison(self, group: Group, metric: str | None = None) -> Comparison | None:
        """Compare `group` with the baseline at the same size; None for the baseline or if no replicate is shared.

        If there is an interval, the comparison is over its replicates.
        """
        metric = metric or self.metric
        baseline = self.group(self.sweep.baseline, group.size)
        if baseline is None or group.arm == self.sweep.baseline:
            return None
        kept = self.evidence_of(metric).replicates.get((group.arm, group.size))
        ours, theirs = (
            {r: value for r, value in of.values(metric).items() if kept is None or r in kept}
            for of in (group, baseline)
        )
        return compare(ours, theirs)

    def pool(self, metric: str | None = None) -> int | None:
        """Studies that a query is compared with."""
        split = Metric(metric or self.metric).split
        sizes = (r.record.pool.get(f"{split}/candidates") for r in self.measured if r.record)
        return next((size for size in sizes if size), None)

    def chance(self, metric: str | None = None) -> float | None:
        metric = metric or self.metric
        recorded = (r.record.chance.get(metric) for r in self.measured if r.record)
        if (value := next((c for c in recorded if c is not None), None)) is not None:
            return value
        pool = self.pool(metric)
        known = pool and "_same_text" not in metric and Metric(metric).name in HIGHER_IS_BETTER
        return chance(metric, pool) if pool and known else None


def once(function: Callable[[Results], Found]) -> Callable[[Results], Found]:
    """Keep what `function` finds with the results, so that every section of a report can ask for it."""

    @functools.wraps(function)
    def found(results: Results) -> Found:
        if function not in results.kept:
            results.kept[function] = function(results)
        answer: Found = results.kept[function]
        return answer

    return found


def join(
    sweep: SweepRecord,
    cells: Mapping[str, CellRecord],
    queries: Queries = no_queries,
    stages: Mapping[str, CellRecord] | None = None,
    ledger: Ledger = NOTHING_READ,
    traits: Traits = no_traits,
) -> Results:
    """The sweep's cells in the order of the plan; the folds of a replicate are one.

    The metric shown is that of the test split if any cell has it (never in a search, in which only the winner may have
    it), else that of the validation split that also selected.
    """
    sweep = with_fold_note(sweep, cells)
    planned_cells, pooled = pool_folds(sweep.cells, cells, queries)
    planned_models, models = pool_folds(sweep.references, cells, queries)
    results = tuple(
        Result(planned, pooled.get(planned.key)) for planned in sorted(planned_cells, key=lambda cell: cell.number)
    )
    members: dict[tuple[str, int | None], list[Result]] = {}
    for result in results:
        members.setdefault((result.planned.arm, result.planned.pairs), []).append(result)
    groups = tuple(Group(arm, size, tuple(found)) for (arm, size), found in members.items())
    references = tuple(Result(planned, models.get(planned.key)) for planned in planned_models)
    metric = _shown_metric(sweep, results)
    tuning = tuple(Result(planned, cells.get(planned.key)) for planned in sweep.tuning)
    all_queries = pooled_queries(queries)
    return Results(sweep, results, groups, metric, tuning, references, all_queries, stages or {}, ledger, traits)


def _shown_metric(sweep: SweepRecord, results: Sequence[Result]) -> str:
    test = str(Metric(sweep.select).on("test"))
    tested = any(r.value(test) is not None for r in results)
    return test if tested and sweep.kind != "search" else sweep.select


def searched(results: Results) -> list[str]:
    """Dotted keys that a search varied, in the order of the experiment file."""
    space = results.sweep.space
    used = {key for r in results.all for key in r.planned.changes}
    return [*(key for key in space if key in used), *sorted(used - set(space))]


def with_fold_note(sweep: SweepRecord, cells: Mapping[str, CellRecord]) -> SweepRecord:
    """The sweep, its notes saying how its folds were tested; unchanged without folds."""
    folds = {cell.fold for cell in sweep.cells} - {None}
    if not folds:
        return sweep
    pools = {cells[cell.key].pool.get("test/candidates", 0) for cell in sweep.cells if cell.key in cells} - {0}
    sizes = " to ".join(f"{size:,}" for size in sorted({min(pools), max(pools)})) if pools else ""
    note = (
        f"{len(folds)}-fold cross-validation by patient, all splits pooled: every query was ranked among the "
        f"{f'{sizes} ' if sizes else ''}candidates of its own fold. A replicate's steps and seconds are those of its "
        f"{len(folds)} trainings together."
    )
    return sweep.model_copy(update={"notes": (*sweep.notes, note)})
