"""Measure `evaluate.tasks` of a model on a split: metrics, chance levels, and the results of each query."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from radsweep.data.shards.schema import Split
from radsweep.evaluation.chance import chance, positives_per_query
from radsweep.evaluation.queries import QUERIES, QueryResults, file_name
from radsweep.evaluation.retrieval import metrics_of, ranked
from radsweep.evaluation.task_results import Measured
from radsweep.training.embedder import Embedder
from radsweep.training.label_tasks import embed, measure_by_labels, measure_class_retrieval

NAMES: Mapping[Split, str] = {"train": "train", "validation": "val", "test": "test"}  # of splits, in metrics


def measure(embedder: Embedder, data: PreparedData, split: Split, trial: Trial) -> Measured:
    """Retrieval and the tasks on a split, then the tasks by labels on each of `evaluate.sets`.

    Every worker calls it. All embed together; then only worker 0 ranks, scores and fits, and has the result.

    Raises:
        InputError: a task that the data cannot serve; `radsweep.sweep.checks.data` refuses it before a sweep.
    """
    found, part, prefix = Measured(), data.splits[split], NAMES[split]
    image_MD, text_SD = embedder.embed(split, part)
    elsewhere = dataclasses.replace(embedder, frozen={})  # kept features are of the trial's own images
    own = embed(embedder, data, split, prefix, trial, image_MD)
    sets = [embed(elsewhere, other, "test", f"test/{other.name}", trial) for other in data.sets]
    if embedder.workers.rank:
        return found

    ranks = ranked(image_MD, text_SD, part.index.image_study_M, part.index.report_group_S)
    if trial.evaluate.ranks_locally and trial.objective.scores_locally:
        ranks |= embedder.rank_locally(part, trial.objective.local)
    metrics = metrics_of(ranks)
    found.add(prefix, metrics, chance_levels(part, list(metrics)))
    found.pool = {f"{prefix}/queries": len(part.index), f"{prefix}/candidates": len(part.index)}
    results = QueryResults(
        part.index.study_ids,
        part.index.patient_ids,
        ranks={name: of.ranks_Q for name, of in ranks.items()},
        others={name: of.others_Q for name, of in ranks.items()},
    )
    found.queries[QUERIES] = measure_by_labels(found, embedder, own, trial, results)
    if "class_retrieval" in trial.evaluate.tasks:
        measure_class_retrieval(found, own, text_SD, trial)
    for other in sets:
        index = other.data.splits["test"].index
        results = QueryResults(index.study_ids, index.patient_ids)
        found.queries[file_name(other.data.name)] = measure_by_labels(found, elsewhere, other, trial, results)
    return found


def chance_levels(split: PreparedSplit, names: list[str]) -> dict[str, float]:
    """Chance level of each metric of retrieval on this pool."""
    groups = positives_per_query(split.index.report_group_S)
    return {name: chance(name, len(split.index), groups if "_same_text" in name else (1,)) for name in names}
