"""Differences from the baseline by group of test queries, at the size that decides.

Groups are by finding (label present or absent), by view, and by length of the report. Exploratory: an interaction test
for each grouping of each arm, and a false discovery rate over all of them (Benjamini and Hochberg 1995, J. R. Statist.
Soc. B 57:289-300).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from radsweep.data.shards.groups import StudyTraits
from radsweep.evaluation.statistics import (
    FEWEST_PATIENTS,
    Difference,
    GroupEstimates,
    Patients,
    difference,
    interaction,
)
from radsweep.evaluation.summary import Replicate
from radsweep.report.analysis.claims import claim_of
from radsweep.report.analysis.estimation import Estimator, Size, estimator
from radsweep.report.analysis.results import Results, once
from radsweep.store.arm_progress import arm_progress, deciding_size

FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True)
class GroupDifference:
    """Arm minus baseline in one group; its interval is not corrected for others."""

    group: str
    change: Difference


@dataclass(frozen=True)
class Interaction:
    """One grouping of the queries for one arm."""

    arm: str
    grouping: str
    groups: tuple[GroupDifference, ...]
    p: float  # of an equal difference in all groups
    q: float  # the smallest false discovery rate at which it counts as a discovery

    @property
    def varies(self) -> bool:
        return self.q < FALSE_DISCOVERIES


@dataclass(frozen=True)
class Subgroups:
    size: Size = None
    tests: tuple[Interaction, ...] = ()
    left_out: Mapping[str, int] | None = None  # group: patients, fewer than FEWEST_PATIENTS
    not_compared: Mapping[str, str] | None = None  # arm: the reason
    why: str = ""  # there are none, as the end of a sentence

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(test.arm for test in self.tests))


Groups = dict[str, np.ndarray]  # name: True for its queries, [Q]


@once
def subgroups(results: Results) -> Subgroups:
    """All interaction tests of an ablation, arm by arm."""
    size = size_that_decides(results)
    if isinstance(size, str):
        return Subgroups(why=size)
    found = _estimator(results, size)
    if isinstance(found, str):
        return Subgroups(size, why=found)
    traits = results.traits()
    if isinstance(traits, str):
        return Subgroups(size, why=traits)
    if not traits.keys() >= set(found.study_ids):
        return Subgroups(size, why="the data set lacks some of the test studies")
    replicates, not_compared = _replicates(results, size)
    known = groupings([traits[study] for study in found.study_ids])
    kept, left_out = _large_enough(known, found.patients)
    tests = [test for name, groups in kept.items() for test in _tests(found, results, size, name, groups, replicates)]
    rates = stats.false_discovery_control([p for *_, p in tests]) if tests else []
    order = {arm: place for place, arm in enumerate(results.arms)}
    interactions = [Interaction(*test, float(q)) for test, q in zip(tests, rates, strict=True)]
    why = "" if tests else f"no two groups of queries have {FEWEST_PATIENTS} patients each"
    if not replicates:
        why = "nothing can be claimed about any arm"  # the table of arms has the reasons
    return Subgroups(size, tuple(sorted(interactions, key=lambda i: order[i.arm])), left_out, not_compared, why)


def size_that_decides(results: Results) -> Size | str:
    """The number of pairs at which the report recommends an arm, or the reason why there is none."""
    if results.sweep.kind != "ablation":
        return "nothing is compared"
    records = {r.planned.key: r.record for r in results.all if r.record}
    progress = arm_progress([r.planned for r in results.all], records, results.sweep.select)
    complete = deciding_size(progress, results.sweep.baseline)
    return complete[0].pairs if complete else "at no number of pairs have the baseline and an arm ended all replicates"


def groupings(studies: Sequence[StudyTraits]) -> dict[str, Groups]:
    """{grouping: its groups} of the test studies; a study whose label or view is not known is in no group of these."""
    found: dict[str, Groups] = {}
    for label in sorted({name for study in studies for name in study.labels}):
        values_Q = np.array([study.labels.get(label, np.nan) for study in studies])
        found[label] = {f"{label} present": values_Q == 1, f"{label} absent": values_Q == 0}
    planes = [set(study.planes) for study in studies]
    views = {"frontal view only": {"frontal"}, "lateral view only": {"lateral"}, "both views": {"frontal", "lateral"}}
    found["view"] = {name: np.array([of == wanted for of in planes]) for name, wanted in views.items()}
    words_Q = np.array([study.words for study in studies])
    short, long = (int(np.quantile(words_Q, share, method="lower")) for share in (1 / 3, 2 / 3))
    found["length of the report"] = {
        f"report of {short:,} words or fewer": words_Q <= short,
        f"report of {short + 1:,} to {long:,} words": (words_Q > short) & (words_Q <= long),
        f"report of more than {long:,} words": words_Q > long,
    }
    return found


def _large_enough(known: Mapping[str, Groups], patients: Patients) -> tuple[dict[str, Groups], dict[str, int]]:
    """Groupings by their groups of enough patients, if there are two; and the other groups with their patients."""
    kept: dict[str, Groups] = {}
    left_out: dict[str, int] = {}
    for grouping, groups in known.items():
        patients_of = {name: len(np.unique(patients.patient_Q[inside_Q])) for name, inside_Q in groups.items()}
        left_out |= {name: count for name, count in patients_of.items() if 0 < count < FEWEST_PATIENTS}
        large = {name: groups[name] for name, count in patients_of.items() if count >= FEWEST_PATIENTS}
        if len(large) > 1:
            kept[grouping] = large
    return kept, left_out


def _estimator(results: Results, size: Size) -> Estimator | str:
    groups = [group for group in results.groups if group.size == size]
    found = estimator(
        results.metric,
        {(g.arm, size): {r.replicate: r.planned.key for r in g.measured(results.metric)} for g in groups},
        results.queries,
        {(g.arm, size): g.values(results.metric) for g in groups},
    )
    return "AUROC is not a mean over queries" if isinstance(found, Estimator) and found.labels else found


def _replicates(results: Results, size: Size) -> tuple[dict[str, frozenset[Replicate]], dict[str, str]]:
    """Replicates of each arm that its comparison rests on; of other arms the reason why they are not compared."""
    replicates, not_compared = {}, {}
    for group in results.groups:
        found = claim_of(results, group) if group.size == size else None
        if found is None:
            continue
        if found.change is None or found.verdict == "cannot be claimed":
            not_compared[group.arm] = found.why or "it is the baseline under another name"
        else:
            replicates[group.arm] = results.evidence.replicates[group.arm, size]
    return replicates, not_compared


def _tests(
    found: Estimator,
    results: Results,
    size: Size,
    grouping: str,
    groups: Groups,
    replicates: Mapping[str, frozenset[Replicate]],
) -> Iterator[tuple[str, str, tuple[GroupDifference, ...], float]]:
    """Arm, grouping, differences and p; arms that share their replicates share estimates, and the variance of seeds."""
    base = results.sweep.baseline
    restricted = {name: _restricted(found, inside_Q) for name, inside_Q in groups.items()}
    for shared in dict.fromkeys(replicates.values()):
        arms = [arm for arm, of in replicates.items() if of == shared]
        parts = {
            n: GroupEstimates(part.estimates(size, shared), patient_P) for n, (part, patient_P) in restricted.items()
        }
        p_of = interaction(list(parts.values()), arms, base)
        for arm in arms:
            changes = [GroupDifference(name, difference(part.estimates, arm, base)) for name, part in parts.items()]
            yield arm, grouping, tuple(changes), p_of[arm]


def _restricted(found: Estimator, inside_Q: np.ndarray) -> tuple[Estimator, np.ndarray]:
    """The estimator of some of the queries, and the numbers of their patients among all."""
    patient_P, patient_Q = np.unique(found.patients.patient_Q[inside_Q], return_inverse=True)
    columns = {
        place: {replicate: {name: values_Q[inside_Q] for name, values_Q in of.items()} for replicate, of in rs.items()}
        for place, rs in found.columns.items()
    }
    return Estimator(Patients(patient_Q.reshape(-1), len(patient_P)), columns, {}, found.span), patient_P
