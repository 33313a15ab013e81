"""Tasks that need labels, on a split that is embedded: zero-shot classification, linear probe, class retrieval."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radsweep.config.trial import Trial
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.shards.schema import SPLITS, Split
from radsweep.evaluation.class_retrieval import class_retrieval, draw_class_pool
from radsweep.evaluation.classification import mean_of_images
from radsweep.evaluation.linear_probe import LabelledFeatures, linear_probe
from radsweep.evaluation.prompts import load_prompts
from radsweep.evaluation.queries import QueryResults
from radsweep.evaluation.task_results import Measured
from radsweep.evaluation.zero_shot import zero_shot
from radsweep.training.embedder import Embedder

LAYER = "image tower, pooled, before projection"


@dataclass(frozen=True)
class Embedded:
    """A split of a data set, with all that needs the workers together done."""

    data: PreparedData
    split: Split
    prefix: str  # of its metrics
    image_MD: Tensor | None = None  # None where no task reads it
    features: tuple[LabelledFeatures, ...] = ()  # of train, validation, test; empty if nothing is probed


def embed(
    embedder: Embedder, data: PreparedData, split: Split, prefix: str, trial: Trial, image_MD: Tensor | None = None
) -> Embedded:
    """`image_MD`: where the split's images are embedded already."""
    tasks = trial.evaluate.tasks
    if image_MD is None and "zero_shot" in tasks:
        image_MD = embedder.images(split, data.splits[split])
    probed = "linear_probe" in tasks and all(len(data.splits[name].index) for name in SPLITS)
    return Embedded(data, split, prefix, image_MD, _features(embedder, data) if probed else ())


def measure_by_labels(
    found: Measured, embedder: Embedder, part: Embedded, trial: Trial, results: QueryResults
) -> QueryResults:
    """Zero-shot classification and linear probe, as far as asked for; the results with their scores."""
    if "zero_shot" in trial.evaluate.tasks:
        results = _zero_shot(found, embedder, part, trial, results)
    if part.features:
        return _linear_probe(found, part, trial, results)
    if "linear_probe" in trial.evaluate.tasks:
        lacking = " or ".join(name for name in SPLITS if not len(part.data.splits[name].index))
        found.notes.append(f"{part.data.name}: no linear probe, since it has no {lacking} studies")
    return results


def _features(embedder: Embedder, data: PreparedData) -> tuple[LabelledFeatures, ...]:
    parts = []
    for name in SPLITS:
        pooled_MP, index = embedder.pooled(name, data.splits[name]).cpu().numpy(), data.splits[name].index
        features_SP = mean_of_images(pooled_MP, index.image_study_M, len(index))
        parts.append(LabelledFeatures(features_SP, index.labels_SC, index.study_ids, index.patient_ids))
    return tuple(parts)


def _zero_shot(
    found: Measured, embedder: Embedder, part: Embedded, trial: Trial, results: QueryResults
) -> QueryResults:
    assert part.image_MD is not None
    settings, index, labels = trial.evaluate.zero_shot, part.data.splits[part.split].index, part.data.labels
    prompts, study_M, name = load_prompts(settings.prompts), index.image_study_M, f"{part.prefix}/zero_shot"
    zero = zero_shot(part.image_MD, index.labels_SC, labels, prompts, embedder.prompts, study_M, settings.ensembling)
    found.add(name, zero.result.metrics, zero.result.chance)
    found.notes.append(f"{name}: mean over {_listed(zero.result.positives)} ({zero.ensembling})")
    if zero.result.skipped:
        found.notes.append(f"{name} leaves out {_listed(zero.result.skipped)}: no prompts, or one value only")
    return _with_scores(results, part, "zero_shot", zero.class_names, zero.scores_SC)


def _linear_probe(found: Measured, part: Embedded, trial: Trial, results: QueryResults) -> QueryResults:
    """On the test split; the scores kept are those of the fit on all training studies."""
    settings, name = trial.evaluate.linear_probe, f"{part.prefix}/linear_probe"
    train, validation, test = part.features
    probe = linear_probe(train, validation, test, part.data.labels, LAYER, settings.fractions, settings.draws)
    found.add(name, probe.metrics, {})
    for fit in probe.fits:
        found.add(f"{name}/{100 * fit.fraction:g}_percent", {}, fit.result.chance)
        if fit.fraction == 1:
            task = "linear_probe/100_percent"
            results = _with_scores(results, part, task, probe.class_names, fit.scores_SC)
    found.notes.append(f"{name} reads the {probe.layer}")
    if probe.at_edge:
        found.notes.append(f"{name}: a fit chose the smallest or largest C of the grid")
    if unfinished := dict.fromkeys(of for fit in probe.fits for of in fit.unfinished):
        found.notes.append(f"{name}: fits of {_listed(unfinished)} had not converged")
    if untrained := dict.fromkeys(of for fit in probe.fits for of in fit.untrained):
        found.notes.append(f"{name}: a subset had one value only of {_listed(untrained)}: AUROC 0.5 there")
    return results


def measure_class_retrieval(found: Measured, part: Embedded, text_SD: Tensor, trial: Trial) -> None:
    """Without patients that the trial learnt from."""
    assert part.image_MD is not None
    index, settings, name = part.data.splits[part.split].index, trial.evaluate.class_retrieval, "class_retrieval"
    pool = draw_class_pool(
        index.study_ids,
        index.patient_ids,
        index.labels_SC,
        part.data.labels,
        settings.classes,
        settings.per_class,
        settings.seed,
        part.data.splits["train"].index.patient_ids,
    )
    place_S = np.full(len(index), -1)
    place_S[pool.rows_S] = np.arange(len(pool.rows_S))
    images_M = np.flatnonzero(place_S[index.image_study_M] >= 0)
    result = class_retrieval(
        part.image_MD[torch.from_numpy(images_M).to(part.image_MD.device)],
        text_SD[torch.from_numpy(pool.rows_S).to(text_SD.device)],
        place_S[index.image_study_M[images_M]],
        pool.class_S,
        pool.class_names,
    )
    found.add(f"{part.prefix}/{name}", result.metrics, result.chance)
    found.pool |= {f"{part.prefix}/{name}/candidates": result.candidates}
    found.notes.append(f"class retrieval over {result.candidates} studies drawn with seed {pool.seed}: {pool.sha256}")


def _listed(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _with_scores(
    results: QueryResults, part: Embedded, task: str, classes: Sequence[str], scores_SC: np.ndarray
) -> QueryResults:
    labels_SC = part.data.splits[part.split].index.labels_SC
    labels = {name: labels_SC[:, part.data.labels.index(name)] for name in classes}
    scores = {**results.scores, task: dict(zip(classes, scores_SC.T, strict=True))}
    return dataclasses.replace(results, scores=scores, labels={**results.labels, **labels})
