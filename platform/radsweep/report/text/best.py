"""The best configuration as an experiment file that runs as it stands."""

from __future__ import annotations

import re
from typing import Any

import yaml

from radsweep.report import wording
from radsweep.report.analysis.results import Result, Results, best_result


def how_chosen(results: Results, best: Result) -> str:
    """One sentence: of how many, by which number, on which split."""
    select = results.sweep.select
    by = f"by {wording.metric_name(select)}; the test split had no part in the choice"
    if results.sweep.kind == "ablation":
        group = results.group(best.planned.arm, best.planned.pairs)
        rivals = [a for a in results.arms if (g := results.group(a, best.planned.pairs)) and g.measured(select)]
        assert group is not None
        mean = wording.with_deviation(select, group.spread(select))
        of = f"best mean ({mean}) of {wording.count(len(rivals), 'arm')} at {wording.size_name(best.planned.pairs)}"
        return f"Arm {best.planned.arm}, {of}, {by}."
    if results.sweep.kind == "search":
        n = len(results.measured)
        value = wording.number(select, best.value(select))
        return f"Trial {best.planned.number}, the best ({value}) of {wording.count(n, 'trial')}, {by}."
    return "The one trial of this run."


def best_experiment(results: Results) -> dict[str, Any] | None:
    """The chosen trial with every setting written out; None where nothing was measured.

    Where it runs (`run`) is left to the reader: it is no part of the configuration, and may name private places.
    """
    best = best_result(results)
    if best is None or best.record is None:
        return None
    name = re.sub(r"[^A-Za-z0-9._-]", "-", results.sweep.name)[:95].lstrip("._-") or "sweep"
    return {"experiment": f"{name}-best", **best.record.trial}


def best_yaml(results: Results, evidence: str = "") -> str | None:
    """With comments above: how it was chosen, and the evidence for it."""
    best, experiment = best_result(results), best_experiment(results)
    if best is None or experiment is None:
        return None
    comments = [" ".join(text.split()) for text in (how_chosen(results, best), evidence) if text]
    return "".join(f"# {comment}\n" for comment in comments) + as_yaml(experiment)


class _Dumper(yaml.SafeDumper):
    """Settings one a line, lists in brackets."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=True)


def as_yaml(tree: dict[str, Any]) -> str:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def experiment_yaml(results: Results) -> str:
    """The sweep's experiment without unset parts and without `run`, which may hold private places."""
    tree = {k: v for k, v in results.sweep.experiment.items() if k != "run" and v is not None}
    return as_yaml(tree)
