"""What `evaluate.tasks` asks of a model on a split: numbers, chance levels, and what each query got."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from radsweep.data.prepared import PreparedData, PreparedSplit
from radsweep.data.schema import SPLITS, Split
from radsweep.evaluation.chance import chance, positives_per_query
from radsweep.evaluation.class_retrieval import class_retrieval, draw_class_pool
from radsweep.evaluation.classification import mean_of_images
from radsweep.evaluation.linear_probe import LabelledFeatures, linear_probe
from radsweep.evaluation.local_retrieval import rank_locally
from radsweep.evaluation.prompts import load_prompts
from radsweep.evaluation.queries import QUERIES, QueryResults, file_name
from radsweep.evaluation.retrieval import metrics_of, ranked
from radsweep.evaluation.zero_shot import zero_shot
from radsweep.spec.trial import Trial
from radsweep.training.evaluate import Embedder

LAYER = "image tower, pooled, before projection"
NAMES: Mapping[Split, str] = {"train": "train", "validation": "val", "test": "test"}  # of splits, in metrics


@dataclass
class Measured:
    """Names start with their split (and set): `test/text_to_image/recall_at_10`, `test/nih/zero_shot/auroc`."""

    metrics: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)  # of the same names
    pool: dict[str, int] = field(default_factory=dict)  # test/queries, test/candidates
    notes: list[str] = field(default_factory=list)
    queries: dict[str, QueryResults] = field(default_factory=dict)  # by name of the file they belong in


def measure(embedder: Embedder, data: PreparedData, split: Split, trial: Trial) -> Measured:
    """Retrieval and the tasks on a split, then the tasks by labels on each of `evaluate.sets`.

    Every worker calls it; worker 0 alone fits linear probes, so that its result is the one to keep.

    Raises:
        InputError: a task that the data cannot serve; `sweep.preflight` finds out beforehand.
    """
    found = Measured()
    part, prefix = data.splits[split], NAMES[split]
    image_MD, text_SD = embedder.embed(split, part)
    ranks = ranked(image_MD, text_SD, part.index.image_study_M, part.index.report_group_S)
    if "local_retrieval" in trial.evaluate.tasks and trial.objective.local.weight > 0:
        ranks |= rank_locally(*embedder.regions_and_words(part), part.index.image_study_M, trial.objective.local)
    metrics = metrics_of(ranks)
    found.metrics |= {f"{prefix}/{name}": value for name, value in metrics.items()}
    found.chance |= chance_levels(part, list(found.metrics))
    found.pool = {f"{prefix}/queries": len(part.index), f"{prefix}/candidates": len(part.index)}
    results = QueryResults(
        part.index.study_ids,
        part.index.patient_ids,
        ranks={name: of.ranks_Q for name, of in ranks.items()},
        others={name: of.others_Q for name, of in ranks.items()},
    )
    if "zero_shot" in trial.evaluate.tasks:
        results = _zero_shot(found, embedder, data, split, trial, prefix, results, image_MD)
    if "linear_probe" in trial.evaluate.tasks:
        results = _linear_probe(found, embedder, data, trial, prefix, results)
    found.queries[QUERIES] = results
    if "class_retrieval" in trial.evaluate.tasks:
        _class_retrieval(found, image_MD, text_SD, data, split, trial, prefix)
    elsewhere = dataclasses.replace(embedder, frozen={})  # kept features are of the trial's own images
    for other in data.sets:
        index, prefix = other.splits["test"].index, f"test/{other.name}"
        results = QueryResults(index.study_ids, index.patient_ids)
        if "zero_shot" in trial.evaluate.tasks:
            image_MD = elsewhere.images("test", other.splits["test"])
            results = _zero_shot(found, elsewhere, other, "test", trial, prefix, results, image_MD)
        if "linear_probe" in trial.evaluate.tasks:
            results = _linear_probe(found, elsewhere, other, trial, prefix, results)
        found.queries[file_name(other.name)] = results
    return found


def chance_levels(split: PreparedSplit, names: list[str]) -> dict[str, float]:
    """What random embeddings would give for each metric of retrieval on this pool."""
    groups = positives_per_query(split.index.report_group_S)
    return {name: chance(name, len(split.index), groups if "_same_text" in name else (1,)) for name in names}


def _zero_shot(
    found: Measured,
    embedder: Embedder,
    data: PreparedData,
    split: Split,
    trial: Trial,
    prefix: str,
    results: QueryResults,
    image_MD: Tensor,
) -> QueryResults:
    index, settings = data.splits[split].index, trial.evaluate.zero_shot
    prompts = load_prompts(settings.prompts)
    study_M = index.image_study_M
    zero = zero_shot(image_MD, index.labels_SC, data.labels, prompts, embedder.prompts, study_M, settings.ensembling)
    found.metrics |= {f"{prefix}/zero_shot/{name}": value for name, value in zero.result.metrics.items()}
    found.chance |= {f"{prefix}/zero_shot/{name}": value for name, value in zero.result.chance.items()}
    found.notes.append(f"{prefix}/zero_shot: mean over {_listed(zero.result.positives)} ({zero.ensembling})")
    if zero.result.skipped:
        found.notes.append(
            f"{prefix}/zero_shot leaves out {_listed(zero.result.skipped)}: no prompts, or one value only"
        )
    return _with_scores(results, data, split, "zero_shot", zero.class_names, zero.scores_SC)


def _linear_probe(
    found: Measured, embedder: Embedder, data: PreparedData, trial: Trial, prefix: str, results: QueryResults
) -> QueryResults:
    """On the test split; the scores kept are those of the fit on all training studies."""
    lacking = [name for name in SPLITS if not len(data.splits[name].index)]
    if lacking:
        found.notes.append(f"{data.name}: no linear probe, since it has no {' or '.join(lacking)} studies")
        return results
    parts = []
    for name in SPLITS:
        split = data.splits[name]
        pooled_MP, index = embedder.pooled(name, split).cpu().numpy(), split.index
        features_SP = mean_of_images(pooled_MP, index.image_study_M, len(index))
        parts.append(LabelledFeatures(features_SP, index.labels_SC, index.study_ids, index.patient_ids))
    if embedder.workers.rank:
        return results
    train, validation, test = parts
    settings = trial.evaluate.linear_probe
    probe = linear_probe(train, validation, test, data.labels, LAYER, settings.fractions, settings.draws)
    found.metrics |= {f"{prefix}/linear_probe/{name}": value for name, value in probe.metrics.items()}
    for fit in probe.fits:
        size = f"{prefix}/linear_probe/{100 * fit.fraction:g}_percent"
        found.chance |= {f"{size}/{name}": value for name, value in fit.result.chance.items()}
        if fit.fraction == 1:
            task = "linear_probe/100_percent"
            results = _with_scores(results, data, "test", task, probe.class_names, fit.scores_SC)
    found.notes.append(f"{prefix}/linear_probe reads the {LAYER}")
    if probe.at_edge:
        found.notes.append(f"{prefix}/linear_probe: a fit chose the smallest or largest C of the grid")
    if unfinished := {name: "" for fit in probe.fits for name in fit.unfinished}:
        found.notes.append(f"{prefix}/linear_probe: fits of {_listed(unfinished)} had not converged")
    if untrained := {name: "" for fit in probe.fits for name in fit.untrained}:
        found.notes.append(
            f"{prefix}/linear_probe: a subset had one value only of {_listed(untrained)}: AUROC 0.5 there"
        )
    return results


def _listed(names: Mapping[str, object], most: int = 5) -> str:
    shown = ", ".join(list(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _with_scores(
    results: QueryResults, data: PreparedData, split: Split, task: str, classes: Sequence[str], scores_SC: np.ndarray
) -> QueryResults:
    labels_SC = data.splits[split].index.labels_SC
    labels = {name: labels_SC[:, data.labels.index(name)] for name in classes}
    scores = {**results.scores, task: dict(zip(classes, scores_SC.T, strict=True))}
    return dataclasses.replace(results, scores=scores, labels={**results.labels, **labels})


def _class_retrieval(
    found: Measured, image_MD: Tensor, text_SD: Tensor, data: PreparedData, split: Split, trial: Trial, prefix: str
) -> None:
    index, settings = data.splits[split].index, trial.evaluate.class_retrieval
    pool = draw_class_pool(
        index.study_ids,
        index.patient_ids,
        index.labels_SC,
        data.labels,
        settings.classes,
        settings.per_class,
        settings.seed,
        data.splits["train"].index.patient_ids if split != "train" else (),
    )
    place_S = np.full(len(index), -1)
    place_S[pool.rows_S] = np.arange(len(pool.rows_S))
    images_M = np.flatnonzero(place_S[index.image_study_M] >= 0)
    result = class_retrieval(
        image_MD[torch.from_numpy(images_M).to(image_MD.device)],
        text_SD[torch.from_numpy(pool.rows_S).to(text_SD.device)],
        place_S[index.image_study_M[images_M]],
        pool.class_S,
        pool.class_names,
    )
    found.metrics |= {f"{prefix}/class_retrieval/{name}": value for name, value in result.metrics.items()}
    found.chance |= {f"{prefix}/class_retrieval/{name}": value for name, value in result.chance.items()}
    found.pool |= {f"{prefix}/class_retrieval/candidates": result.candidates}
    found.notes.append(f"class retrieval over {result.candidates} studies drawn with seed {pool.seed}: {pool.sha256}")
