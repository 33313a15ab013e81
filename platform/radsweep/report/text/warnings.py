"""Warnings to read before trusting the numbers: one line each, the most serious first."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from radsweep.config.evaluation import shown_names
from radsweep.config.metrics import Metric
from radsweep.config.training import Convergence
from radsweep.evaluation.chance import USELESS, guessed
from radsweep.report import wording
from radsweep.report.analysis.convergence import DOUBTS, answer, same_run
from radsweep.report.analysis.results import Result, Results
from radsweep.report.analysis.tuned import is_tuned
from radsweep.report.text.design import folds
from radsweep.store.records import CellRecord

MOST_NAMED = 6
NEARLY_ALL = 0.9


def warnings(results: Results) -> list[str]:
    """Warnings for people, none twice."""
    found = [
        *_unreadable(results),
        *_baseline(results),
        *_missing(results),
        *_failed(results),
        *_untested(results),
        *_stopped(results),
        *_public_models(results),
        *_same_arms(results),
        *_guessed(results),
        *_unpaired(results),
        *_sizes(results),
        *_unconverged(results),
        *_mixed(results),
        *results.sweep.notes,
        *_notes(results),
    ]
    return list(dict.fromkeys(found))


def cell_name(results: Results, result: Result) -> str:
    """`local, 300 pairs, replicate 2` or `trial 7`."""
    if results.sweep.kind == "ablation":
        replicate = results.replicate_number(result.replicate)
        return f"{result.planned.arm}, {wording.size_name(result.planned.pairs)}, replicate {replicate}"
    return f"trial {result.planned.number}"


def _named(results: Results, cells: list[Result]) -> str:
    names = [cell_name(results, cell) for cell in cells[:MOST_NAMED]]
    more = [f"{len(cells) - MOST_NAMED:,} more"] if len(cells) > MOST_NAMED else []
    return "; ".join(names + more)


def _unreadable(results: Results) -> Iterator[str]:
    if results.sweep.plan is None:
        yield (
            "Another version of radsweep wrote this sweep's experiment, and this version cannot read all of it: parts "
            "of this report may be missing. Make the report with that version to see them."
        )


def _baseline(results: Results) -> Iterator[str]:
    base = results.sweep.baseline
    if results.sweep.kind != "ablation":
        return
    if base not in results.arms:
        name = f"The baseline {base!r} is not among the arms" if base else "No arm is the baseline"
        yield f"{name}: arms are shown side by side, none is compared."
        return
    for size in results.sizes:
        group = results.group(base, size)
        if group is None or not group.measured(results.metric):
            yield f"The baseline has no number at {wording.size_name(size)}: nothing can be compared there."


def _missing(results: Results) -> Iterator[str]:
    missing = [r for r in results.all if r.record is None]
    if missing:
        state = {"running": "the sweep is still running"}.get(
            results.sweep.status, f"the sweep is {results.sweep.status}"
        )
        yield f"{len(missing):,} of {wording.count(len(results.all), 'cell')} have no record yet ({state})."


def _failed(results: Results) -> Iterator[str]:
    by_error: dict[str, list[Result]] = {}
    for result in results.all:
        if result.record and result.record.status == "failed":
            by_error.setdefault(result.record.error or "no reason was recorded", []).append(result)
    for error, cells in by_error.items():
        yield f"{wording.count(len(cells), 'cell')} failed ({_named(results, cells)}): {error}"


def _untested(results: Results) -> Iterator[str]:
    """Cells without a number of the test split in a report on the test split."""
    without = [r for r in results.all if r.untested(results.metric)]
    if without and results.sweep.kind == "ablation":
        yield (
            f"{len(without):,} of {wording.count(len(results.all), 'cell')} without a number on the test split "
            f"({_named(results, without)}): comparisons leave out these replicates. If the test split was not read "
            "for them, run the sweep again with --resume."
        )


def _public_models(results: Results) -> Iterator[str]:
    """Models of `evaluate.public_models` without numbers."""
    plan = results.sweep.plan
    asked = shown_names(plan.evaluate.public_models if plan else ()).values()
    measured = [r.planned.arm for r in results.references if r.status == "finished"]
    failed = [r.planned.arm for r in results.references if r.status == "failed"]
    waiting = list((Counter(asked) - Counter(measured) - Counter(failed)).elements())
    if not failed and not waiting:
        return
    models = wording.count(len(measured) + len(failed) + len(waiting), "public model")
    parts = [f"{len(measured):,} {'was' if len(measured) == 1 else 'were'} measured"]
    parts += [f"{len(failed):,} failed ({', '.join(failed)})"] if failed else []
    parts += [f"{len(waiting):,} not measured yet ({', '.join(waiting)})"] if waiting else []
    yield f"evaluate.public_models asked for {models}; {', '.join(parts)}."


def _stopped(results: Results) -> Iterator[str]:
    stopped = [r for r in results.all if r.status == "stopped"]
    if stopped:
        many = wording.count(len(stopped), "cell was", "cells were")
        yield f"{many} stopped early ({_named(results, stopped)}): their numbers are of shorter training."


def _same_arms(results: Results) -> Iterator[str]:
    """Arms that agree in every shared cell, by key (one configuration) or by every number."""
    by_arm: dict[str, dict[object, Result]] = {arm: {} for arm in results.arms}
    for r in results.all:
        by_arm[r.planned.arm][r.planned.pairs, r.replicate] = r
    for (first, ours), (second, theirs) in itertools.combinations(by_arm.items(), 2):
        pairs = [(r, theirs[place]) for place, r in ours.items() if place in theirs]
        if pairs and all(_one_configuration(a, b) for a, b in pairs):
            yield f"Arms {first} and {second} resolve to the same configuration: they are one arm under two names."
        elif same := [a for a, b in pairs if same_run(a, b) and not _one_configuration(a, b)]:
            yield (
                f"Arms {first} and {second} gave identical numbers in {len(same)} of {len(pairs)} cells although "
                "their configurations differ: the changed setting probably did nothing."
            )


def _one_configuration(a: Result, b: Result) -> bool:
    return a.planned.key == b.planned.key or bool(a.record and b.record and a.record.trial == b.record.trial)


def _guessed(results: Results) -> Iterator[str]:
    """Metrics by which chance comes near to a perfect model, because the pool is small."""
    for metric in dict.fromkeys((results.sweep.select, results.metric)):
        found = {r.record.pool.get(f"{Metric(metric).split}/candidates") for r in results.measured if r.record}
        pool = min((size for size in found if size), default=0)
        if pool and (part := guessed(metric, np.arange(pool))) > USELESS:
            says = "nothing" if part > NEARLY_ALL else "little"
            folded = folds(results) or is_tuned(results)  # folds there already, or refused with tuning
            yield (
                f"By {wording.metric_name(metric)}, random embeddings reach {100 * part:.0f} % of what a perfect model "
                f"would, among {pool:,} candidates: this metric says {says} about any cell. Read the ranks instead"
                f"{'.' if folded else ', or cross-validate (data.folds).'}"
            )


def _unpaired(results: Results) -> Iterator[str]:
    """Replicates of one number and size that did not share their subset of studies."""
    subsets: dict[tuple[object, object], set[str]] = {}
    for r in results.measured:
        if results.sweep.kind == "ablation" and r.record and r.record.subset_sha256:
            subsets.setdefault((r.planned.pairs, r.replicate), set()).add(r.record.subset_sha256)
    broken = sum(len(found) > 1 for found in subsets.values())
    if broken:
        yield (
            f"In {broken} of {len(subsets)} replicates the arms did not train on the same studies: their differences "
            "are paired only in name."
        )


def _sizes(results: Results) -> Iterator[str]:
    asked: dict[int, set[int]] = {}
    for r in results.measured:
        if r.record and r.planned.pairs and r.record.pairs != r.planned.pairs:
            asked.setdefault(r.planned.pairs, set()).add(r.record.pairs)
    for size, trained in sorted(asked.items()):
        yield f"Cells of {wording.size_name(size)} trained on {wording.listed([f'{n:,}' for n in sorted(trained)])}."


def _unconverged(results: Results) -> Iterator[str]:
    reasons: dict[Convergence, str] = {
        "still rising": "the validation metric was still rising",
        "cannot tell": "too few validations or queries at a constant learning rate to see if the metric still rose",
    }
    if results.sweep.kind == "ablation":
        return  # the table has it beside each comparison
    for doubt, reason in reasons.items():
        if late := [r for r in results.measured if answer(r) == doubt]:
            yield (
                f"{len(late):,} of {wording.count(len(results.measured), 'measured cell')} {DOUBTS[doubt]}: "
                f"{reason} ({_named(results, late)})."
            )


def _mixed(results: Results) -> Iterator[str]:
    """Cells that one table should not hold side by side."""
    looks: dict[str, Callable[[CellRecord], object]] = {
        "code fingerprints": lambda record: record.code,
        "data fingerprints": lambda record: record.data,
        "device types": lambda record: record.device,
        "library versions": lambda record: tuple(sorted(record.versions.items())),
    }
    for what, look in looks.items():
        different = {look(r.record) for r in results.measured if r.record}
        if len(different) > 1:
            yield f"The cells have {len(different)} different {what}: their numbers may not be comparable."
    for size in results.sizes:  # sizes may differ: see data.validation_ratio
        of_size = [r.record for r in results.measured if r.record and r.planned.pairs == size]
        pools = {record.pool.get("val/candidates") for record in of_size}
        if len(pools) > 1:
            cells = f"The cells of {wording.size_name(size)}" if len(results.sizes) > 1 else "The cells"
            yield f"{cells} have {len(pools)} different validation pools: their numbers may not be comparable."


def _notes(results: Results) -> Iterator[str]:
    results_of_all = (*results.all, *results.references)
    notes = Counter(note for r in results_of_all if r.record for note in r.record.notes)
    for note, times in notes.items():
        yield f"{note} ({wording.count(times, 'cell')})" if len(results_of_all) > 1 else note
