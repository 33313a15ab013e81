"""One metric of every run of an ablation, query by query, on the same studies in the same order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np

from radsweep.evaluation.classification import classification_metrics
from radsweep.evaluation.queries import Queries, QueryResults
from radsweep.evaluation.statistics import Estimates, Patients, estimate_auroc, estimate_means, macro_estimates
from radsweep.evaluation.summary import Replicate
from radsweep.report import wording
from radsweep.store.records import ArmSize

Size = int | None
Columns = dict[str, np.ndarray]  # class -> scores, or "" -> each query's share in the metric
AUROC = "/auroc"
TOLERANCE = 1e-6  # between a recorded metric and its recomputation


@dataclass
class Estimator:
    """Shapes: Q queries."""

    patients: Patients
    columns: dict[ArmSize, dict[Replicate, Columns]]
    labels: Mapping[str, np.ndarray]  # class -> [Q]; empty for a mean over queries
    span: float = 1.0  # width of the metric's range
    left_out: tuple[str, ...] = ()  # classes of a macro AUROC with fewer than 2 patients on a side
    gaps: dict[ArmSize, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    replicates: dict[ArmSize, frozenset[Replicate]] = field(default_factory=dict)  # that statistics rest on
    study_ids: tuple[str, ...] = ()  # of the queries
    _made: dict[tuple[Size, frozenset[Replicate]], Estimates] = field(default_factory=dict)

    def estimates(self, size: Size, replicates: Set[Replicate]) -> Estimates:
        """All arms at a size that have these replicates: the variance between seeds is pooled over them.

        Starts on one subset of studies are averaged if there are several subsets: only subsets are independent.
        """
        chosen = balanced(replicates)
        key = size, frozenset(chosen)
        if key not in self._made:
            at_size = {arm: rs for (arm, at), rs in self.columns.items() if at == size}
            whole = {arm: rs for arm, rs in at_size.items() if rs.keys() >= set(chosen)}
            found = self._estimates(whole, chosen)
            found = replace(found, partial_AR=self._partial(at_size.keys() - whole.keys(), at_size, chosen))
            subsets = [subset for subset, _ in chosen]
            several = 1 < len(set(subsets)) < len(subsets)
            self._made[key] = found.over_starts(subsets) if several else found
        return self._made[key]

    def _estimates(self, arms: Mapping[str, Mapping[Replicate, Columns]], chosen: Sequence[Replicate]) -> Estimates:
        parts = []
        for name in next(iter(arms.values()))[chosen[0]]:
            if name in self.left_out:
                continue
            values = {arm: np.stack([rs[r][name] for r in chosen]) for arm, rs in arms.items()}
            if name:
                parts.append(estimate_auroc(values, self.labels[name], self.patients))
            else:
                parts.append(estimate_means(values, self.patients, span=self.span))
        return macro_estimates(parts) if len(parts) > 1 else parts[0]

    def _partial(
        self,
        names: Set[str],
        at_size: Mapping[str, Mapping[Replicate, Columns]],
        chosen: Sequence[Replicate],
    ) -> np.ndarray | None:
        """Values of arms that have some of the chosen replicates, NaN for the others; None if there are none."""
        rows = []
        for arm in sorted(names):
            there = [replicate for replicate in chosen if replicate in at_size[arm]]
            if len(there) < 2:
                continue
            value_R = np.full(len(chosen), np.nan)
            value_R[[chosen.index(r) for r in there]] = self._estimates({arm: at_size[arm]}, there).value_AR[0]
            rows.append(value_R)
        return np.array(rows) if rows else None


def estimator(
    metric: str,
    cells: Mapping[ArmSize, Mapping[Replicate, str]],
    queries: Queries,
    recorded: Mapping[ArmSize, Mapping[Replicate, float]],
) -> Estimator | str:
    """Return the estimator of `test/...`, or the reason why there is none, as the end of a sentence.

    Results of a run's queries are read when they are needed, and only their share in the metric is kept.

    Args:
        cells: keys of the runs.
        recorded: the metric as each run recorded it.
    """
    split, _, name = metric.partition("/")
    if split != "test":
        return "results of queries are only kept for the test split, and these are numbers of the validation split"
    first = next((q for of in cells.values() for key in of.values() if (q := queries(key)) is not None), None)
    if first is None:
        return "no results of queries were found"
    labels = _labels(first, name)
    if labels is None and first.values(name) is None:
        if name.rpartition("/")[0] not in {*first.ranks, *first.scores}:
            return "no results of queries in this measure were found"
        return f"the {wording.short_name(name)} is not a mean over queries"
    try:
        patients = Patients.of(first.patient_ids)
    except ValueError as error:
        return str(error)
    rare = tuple(of for of, label_Q in (labels or {}).items() if fewest_patients(label_Q, patients.patient_Q) < 2)
    if labels is not None and len(rare) == len(labels):
        return "an interval of AUROC needs a class that at least 2 patients have and at least 2 do not have"
    found = Estimator(patients, {}, labels or {}, _span(first, name), rare, study_ids=first.study_ids)
    for place, of in cells.items():
        _take(
            found,
            name,
            place,
            {replicate: queries(key) for replicate, key in of.items()},
            first,
            recorded.get(place, {}),
        )
    return found


def _take(
    found: Estimator,
    name: str,
    place: ArmSize,
    of: Mapping[Replicate, QueryResults | None],
    first: QueryResults,
    recorded: Mapping[Replicate, float],
) -> None:
    """The replicates of an arm and size with results, or the reason why it has no statistics."""
    columns: dict[Replicate, Columns] = {}
    if of and all(results is None for results in of.values()):
        found.gaps[place] = f"no run of {place[0]} has the results of its queries"
        return
    if without := sum(results is None for results in of.values()):
        found.notes.append(
            f"{place[0]}, {wording.size_name(place[1])}: intervals leave out {without} of "
            f"{wording.count(len(of), 'run')}, without results of the queries."
        )
    for replicate, results in of.items():
        if results is None:
            continue
        order = _order(results, first)
        if order is None:
            found.gaps[place] = f"a run of {place[0]} ran on other test studies"
            return
        taken = _columns(results, name, order, found.labels)
        if taken is None:
            found.gaps[place] = f"a run of {place[0]} has no numbers of its queries in this metric"
            return
        columns[replicate] = taken
    if not columns:
        return
    values = _value_of(columns, found)
    if any(abs(values[r] - recorded[r]) > TOLERANCE for r in values.keys() & recorded.keys()):
        found.gaps[place] = f"the results of the queries of {place[0]} do not add up to the recorded metric"
        return
    found.columns[place] = columns
    found.replicates[place] = frozenset(balanced(columns.keys()))
    if dropped := len(columns) - len(found.replicates[place]):
        found.notes.append(
            f"{place[0]}, {wording.size_name(place[1])}: intervals leave out {wording.count(dropped, 'run')}, since "
            "its subsets of studies have different numbers of starts."
        )
    if 1 == len({subset for subset, _ in columns}) < len(columns):
        found.notes.append("Replicates only differ by their start: intervals do not cover other subsets of studies.")


def _value_of(columns: Mapping[Replicate, Columns], found: Estimator) -> dict[Replicate, float]:
    """The metric itself, by replicate."""
    if "" in next(iter(columns.values())):
        return {replicate: float(of[""].mean()) for replicate, of in columns.items()}
    names = list(found.labels)
    labels_QC = np.stack([found.labels[name] for name in names], axis=1)
    scores = {replicate: np.stack([of[name] for name in names], axis=1) for replicate, of in columns.items()}
    return {r: classification_metrics(scores_QC, labels_QC, names).metrics["auroc"] for r, scores_QC in scores.items()}


def _span(results: QueryResults, name: str) -> float:
    """Width of the metric's range: of a rank, the most candidates that a query has before its own."""
    others = results.others.get(name.rpartition("/")[0])
    return float(others.max()) if wording.is_rank(name) and others is not None else 1.0


def fewest_patients(label_Q: np.ndarray, patient_Q: np.ndarray) -> int:
    """Patients with a class or without it, whichever are fewer."""
    return min(len(np.unique(patient_Q[label_Q == value])) for value in (0, 1))


def _order(results: QueryResults, first: QueryResults) -> np.ndarray | None:
    """Positions of the first's studies among the results' own; None if they are not the same studies."""
    if results.study_ids == first.study_ids:
        return np.arange(len(first.study_ids))
    if len(results.study_ids) != len(first.study_ids) or set(results.study_ids) != set(first.study_ids):
        return None
    place = {study: number for number, study in enumerate(results.study_ids)}
    return np.array([place[study] for study in first.study_ids])


def _columns(results: QueryResults, name: str, order: np.ndarray, labels: Mapping[str, np.ndarray]) -> Columns | None:
    if not labels:
        values = results.values(name)
        return None if values is None else {"": values[order]}
    task, _ = _task(results, name)
    scores = results.scores.get(task, {})
    return {of: scores[of][order] for of in labels} if scores.keys() >= labels.keys() else None


def _labels(results: QueryResults, name: str) -> dict[str, np.ndarray] | None:
    """Labels of the classes that an AUROC is of: one class, or those with both sides if it is macro."""
    task, of = _task(results, name)
    if not name.endswith(AUROC) or task not in results.scores:
        return None
    known = {k: results.labels[k] for k in ([of] if of else results.scores[task]) if k in results.labels}
    return {k: label_Q for k, label_Q in known.items() if {0.0, 1.0} <= set(label_Q[np.isfinite(label_Q)])}


def _task(results: QueryResults, name: str) -> tuple[str, str]:
    """`zero_shot/Edema/auroc` as (zero_shot, Edema), `zero_shot/auroc` as (zero_shot, "")."""
    path = name.removesuffix(AUROC)
    task = next((t for t in results.scores if path == t or path.startswith(f"{t}/")), path)
    return task, path.removeprefix(task).removeprefix("/")


def balanced(replicates: Set[Replicate]) -> list[Replicate]:
    """In order, and of each subset of studies as many starts as of any other."""
    ordered = sorted(replicates)
    least = min(Counter(subset for subset, _ in ordered).values())
    taken: Counter[int] = Counter()
    kept = []
    for replicate in ordered:
        if taken[replicate[0]] < least:
            taken[replicate[0]] += 1
            kept.append(replicate)
    return kept
