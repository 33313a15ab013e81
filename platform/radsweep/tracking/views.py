"""Saved views of the MLflow UI: columns, filter, order and grouping that a sweep's experiment opens with.

The UI keeps a view as an experiment tag `mlflow.sharedViewState.ID` and opens it at `?viewStateShareKey=ID`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from radsweep.config.metrics import Metric
from radsweep.store.records import SweepRecord
from radsweep.tracking import run_fields

TRIALS = "radsweep-trials"
ARMS = "radsweep-arms"
SWEEPS = "radsweep-sweeps"
MOST_FOLDED = 60  # groups: a tag holds 20,000 characters
_SECTION = "radsweep-comparison"
_NAME = "attributes.`Run Name`"


def experiment_tags(sweep: SweepRecord, time: int) -> dict[str, str]:
    """Tags of the MLflow experiment; the views point at this sweep until a later one of that name replaces them."""
    metric = run_fields.selected(sweep)
    tags = {
        "mlflow.note.content": run_fields.note(sweep),
        "mlflow.experimentKind": "custom_model_development",  # else the UI asks, and may show tabs for agents
        "mlflow.experiment.primaryMetric.name": metric,
        "mlflow.experiment.primaryMetric.greaterIsBetter": json.dumps(Metric(metric).higher),
        f"mlflow.sharedViewState.{TRIALS}": _saved("Trials", time, _trials(sweep)),
        f"mlflow.sharedViewState.{SWEEPS}": _saved("Sweeps, opened to their trials", time, _sweeps(sweep)),
    }
    if run_fields.arms(sweep):
        tags[f"mlflow.sharedViewState.{ARMS}"] = _saved("Arms: mean over seeds", time, _arms(sweep))
    return tags


def pages(tags: Mapping[str, str], experiment_id: str) -> dict[str, str]:
    """{what it shows: the part of an MLflow address after host and port} for the views in an experiment's tags."""
    start = f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey="
    shown = {"trials": start + TRIALS}
    if f"mlflow.sharedViewState.{ARMS}" in tags:
        shown["arms, mean over seeds"] = start + ARMS
    curves = list(shown.values())[-1] + "&compareRunsMode=CHART"
    return shown | {"curves": curves, "all sweeps of this name, opened to their trials": start + SWEEPS}


def _saved(name: str, time: int, state: dict[str, Any]) -> str:
    return json.dumps({"name": name, "createdAt": time, "updatedAt": time, "state": json.dumps(state)})


def _arms(sweep: SweepRecord) -> dict[str, Any]:
    """One row an arm and size, the mean over its seeds; opened, a row shows its trials."""
    groups = {f"param.arm.{cell.arm},param.pairs.{cell.pairs or 'all'}" for cell in sweep.cells}
    by = [{"mode": "param", "groupByData": name} for name in ("arm", "pairs")]
    folded = dict.fromkeys(sorted(groups)[:MOST_FOLDED], False)
    grouping = {"aggregateFunction": "average", "groupByKeys": by}
    table = _table(sweep, ["pairs"], [], name_width=330)  # a group's other params are means of seeds and the like
    return table | {"groupBy": grouping, "groupsExpanded": folded}


def _sweeps(sweep: SweepRecord) -> dict[str, Any]:
    """One row a sweep of this experiment, the latest first; opened, a row shows its trials in the same columns."""
    every = {"searchFilter": "tags.`radsweep.role` != 'stage'", "orderByKey": "attributes.start_time"}
    return _trials(sweep) | every | {"orderByAsc": False}


def _trials(sweep: SweepRecord) -> dict[str, Any]:
    """One row a trial, the best first: its place in the design, its results, the settings that trials differ in."""
    return _table(sweep, run_fields.places(sweep), run_fields.varying(sweep), name_width=230)


def _table(sweep: SweepRecord, before: list[str], after: list[str], name_width: int) -> dict[str, Any]:
    """Results, with params before and after them."""
    metric = run_fields.selected(sweep)
    direction = {"text_to_image": "image_to_text", "image_to_text": "text_to_image"}
    way, name = Metric(metric).direction, Metric(metric).name
    results = _named("metrics", [metric, f"final/{way}/{name}", f"best/{direction[way]}/{name}"])
    ending = _named("metrics", ["converged", "epochs"])
    places, settings = _named("params", before), _named("params", after)
    columns = [_NAME, *places, *results, *ending, *settings, "tags.`radsweep.status`"]
    return {
        "searchFilter": f"tags.`radsweep.sweep` = '{sweep.id}' AND tags.`radsweep.role` = 'trial'",
        "orderByKey": results[0],
        "orderByAsc": not Metric(metric).higher,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {_NAME: name_width}
        | dict.fromkeys([*places, *ending, *settings], 90)
        | dict.fromkeys(results, 165),
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [{"uuid": _SECTION, "name": "Comparison", "display": True, "isReordered": True}],
        "compareRunCharts": [
            _chart("LINE", sweep.select),
            _chart("BAR", metric),
            _chart("LINE", "train/loss"),
        ],
    }


def _named(kind: str, names: Iterable[str]) -> list[str]:
    """Names of columns in the UI."""
    return [f"{kind}.`{name}`" for name in names]


def _chart(kind: str, metric: str) -> dict[str, Any]:
    lines = {"selectedMetricKeys": [metric], "xAxisKey": "step", "lineSmoothness": 0, "useGlobalXaxisKey": True}
    return {
        "uuid": f"{kind}-{metric}",
        "type": kind,
        "metricKey": metric,
        "displayName": metric,
        "deleted": False,
        "isGenerated": False,
        "metricSectionId": _SECTION,
        **(lines if kind == "LINE" else {}),
    }
