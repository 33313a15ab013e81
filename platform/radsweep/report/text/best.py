"""The configurations that a report names, recommended and candidate, as experiment files that run unchanged."""

from __future__ import annotations

import re
from typing import Any

import yaml

from radsweep.report import wording
from radsweep.report.analysis.claims import claims
from radsweep.report.analysis.results import Results, once
from radsweep.report.text.not_ranked import left_out
from radsweep.store.records import PlannedCell
from radsweep.store.selection import Reason, Selection

FILES = ("best.yaml", "candidate.yaml")  # beside the report


@once
def selection(results: Results) -> Selection:
    """Apply the rule of "best" with the results of the comparisons."""
    if results.sweep.kind != "ablation":
        return results.selection()
    found = claims(results)
    better = [(claim.arm, claim.size) for claim in found if claim.verdict == "helped"]
    ruled_out = [(claim.arm, claim.size) for claim in found if claim.verdict in ("hurt", "equivalent", "same run")]
    return results.selection(better, ruled_out)


def how_chosen(results: Results, chosen: Selection) -> str:
    """One sentence on what is recommended: the number of trials, the metric, the split. Empty without one."""
    best = results.result(chosen.recommended)
    if best is None:
        return ""
    if results.sweep.kind == "ablation":
        why = _why_this_arm(results, chosen, best.planned)
        return " ".join([why, *_which_values(best.planned), *left_out(results, chosen)])
    if results.sweep.kind == "search":
        value = wording.number(results.sweep.select, best.value(results.sweep.select))
        that = " that finished" if any(r.status == "stopped" for r in results.measured) else ""
        trials = wording.count(len(results.measured), "trial")
        by = f"by {wording.metric_name(results.sweep.select)}; the test split had no part in the choice"
        return f"Trial {best.planned.number}, the best ({value}){that} of {trials}, {by}."
    return "The one trial of this run."


def why_candidate(results: Results, chosen: Selection) -> str:
    """One sentence on why the candidate is promising but not recommended. Empty if there is none."""
    candidate = results.result(chosen.candidate)
    if candidate is None:
        return ""
    if results.sweep.kind == "ablation":
        arm, base = candidate.planned.arm, results.sweep.baseline
        return f"Arm {arm}, {_leads(results, chosen)}, but not shown to be better than {base}."
    value = wording.number(results.sweep.select, candidate.value(results.sweep.select))
    trials = wording.count(len(results.measured), "trial")
    by = f"by {wording.metric_name(results.sweep.select)}; it was stopped early, and no trial has finished"
    return f"Trial {candidate.planned.number}, the best ({value}) of {trials}, {by}."


def _why_this_arm(results: Results, chosen: Selection, best: PlannedCell) -> str:
    base, size, leader = results.sweep.baseline, wording.size_name(best.pairs), chosen.contenders[0].arm
    top = _leads(results, chosen)
    untested = "the test split had no part in the choice"
    tested = "the test split decides only the latter" if results.metric.startswith("test/") else untested
    if chosen.reason == Reason.BASELINE_IS_BEST:
        return f"Arm {base}, {top}; {untested}."
    if chosen.reason == Reason.NOT_COMPARED:
        return f"Arm {best.arm}, {top}; nothing is compared, because the plan has no baseline; {untested}."
    if chosen.reason == Reason.BASELINE_KEPT:
        return f"Arm {base}, kept at {size}: {leader} has {top}, but is not shown to be better than {base}; {tested}."
    if best.arm == leader:
        return f"Arm {best.arm}, {top}, and shown to be better than {base}; {tested}."
    return (
        f"Arm {best.arm}, the best mean ({_mean(results, best)}) at {size} of the arms that are shown to be better "
        f"than {base}: {leader} has {top}, but is not shown to be better; {tested}."
    )


def _which_values(best: PlannedCell) -> list[str]:
    """A sentence on the tuned values of a configuration; none if nothing was tuned, or only once."""
    if best.tuning_replicate is None or not best.tuned:
        return []
    return [
        f"Its tuned values are those that replicate {best.tuning_replicate + 1} chose; each replicate was tuned by "
        "itself, and others may have chosen others."
    ]


def _leads(results: Results, chosen: Selection) -> str:
    """`the best mean (19.4 % ± 1.0) of 2 arms at 300 pairs, by validation recall@10`."""
    leader = chosen.contenders[0]
    of = f"{wording.count(len(chosen.contenders), 'arm')} at {wording.size_name(leader.pairs)}"
    return f"the best mean ({_mean(results, leader)}) of {of}, by {wording.metric_name(results.sweep.select)}"


def _mean(results: Results, cell: PlannedCell) -> str:
    group = results.group(cell.arm, cell.pairs)
    return wording.with_deviation(results.sweep.select, group.spread(results.sweep.select) if group else None)


def experiment_of(results: Results, cell: PlannedCell | None, suffix: str) -> dict[str, Any] | None:
    """A cell's trial with every setting written out; None without such a cell.

    Where it runs (`run`) is left to the reader: it is not part of the configuration and may name private places.
    """
    found = results.result(cell)
    if found is None or found.record is None:
        return None
    name = re.sub(r"[^A-Za-z0-9._-]", "-", results.sweep.name)[: 99 - len(suffix)].lstrip("._-") or "sweep"
    return {"experiment": f"{name}-{suffix}", **found.record.trial}


def best_yaml(results: Results, chosen: Selection, evidence: str = "") -> str:
    """The recommended configuration, with comments above: how it was chosen, and the evidence for it."""
    return _file(experiment_of(results, chosen.recommended, "best"), how_chosen(results, chosen), evidence)


def candidate_yaml(results: Results, chosen: Selection, evidence: str = "") -> str:
    """The candidate, with comments above."""
    about = f"A candidate, not recommended. {why_candidate(results, chosen)}"
    return _file(experiment_of(results, chosen.candidate, "candidate"), about, evidence)


def _file(experiment: dict[str, Any] | None, *about: str) -> str:
    if experiment is None:
        return ""
    comments = [" ".join(text.split()) for text in about if text]
    return "".join(f"# {comment}\n" for comment in comments) + as_yaml(experiment)


class _Dumper(yaml.SafeDumper):
    """Format settings one a line, with lists in brackets."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=True)


def as_yaml(tree: dict[str, Any]) -> str:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def experiment_yaml(results: Results) -> str:
    """The sweep's experiment without unset parts and without `run`, which may hold private places."""
    tree = {k: v for k, v in results.sweep.experiment.items() if k != "run" and v is not None}
    return as_yaml(tree)
