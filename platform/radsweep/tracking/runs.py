"""Writer of entries to MLflow: it finds runs by their tags or makes them, and adds what they lack."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, TypeVar

for _name, _value in {  # short: a server that is away costs seconds, and the spool tries again
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow.entities import Experiment, Metric, Param, RunTag  # noqa: E402 - reads the settings above
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

from radsweep.tracking.address import artifact_root  # noqa: E402
from radsweep.tracking.entry import Entry, Step  # noqa: E402
from radsweep.tracking.mlflow_internals import delete_artifacts  # noqa: E402

METRICS_A_REQUEST = 800  # 1,000 of all kinds
PARAMS_A_REQUEST = TAGS_A_REQUEST = 100
LONGEST_PARAM = 6000  # characters
LONGEST_TAG = 5000
MAY_GO = ("best.yaml", "candidate.yaml", "winner")  # artifacts of a sweep's run

Item = TypeVar("Item")


def find_experiment(uri: str, name: str) -> Experiment | None:
    """The MLflow experiment of that name, or None."""
    return MlflowClient(tracking_uri=uri).get_experiment_by_name(name)


def all_pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield everything that a search finds; `ask` takes the token of a page."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def search_runs(client: MlflowClient, experiments: list[str], condition: str) -> Iterator[Any]:
    """Runs of experiments (their ids) for which a condition holds, the oldest first."""
    order = ["attributes.start_time ASC"]
    return all_pages(
        lambda token: client.search_runs(experiments, condition, max_results=1000, order_by=order, page_token=token)
    )


class MlflowRun:
    """State of a run that exists: enough to send nothing twice."""

    def __init__(
        self, identity: str, tags: Mapping[str, str], params: Iterable[str] = (), steps: Iterable[int] = ()
    ) -> None:
        self.id = identity
        self.tags = dict(tags)
        self.params = set(params)
        self.steps = set(steps)  # validations it has


class Sender:
    """Writer of entries that remembers what it found. After an error make a new one: an answer may have been lost."""

    def __init__(self, uri: str, store: Path) -> None:
        self._client = MlflowClient(tracking_uri=uri)
        self._store = store
        self._artifacts = artifact_root(uri, store)
        self._experiments: dict[str, str] = {}
        self._sweeps: dict[str, dict[tuple[str, int], MlflowRun]] = {}

    def send(self, entry: Entry) -> None:
        """Write one entry; sent twice, it changes nothing the second time.

        Raises:
            MlflowException: MLflow is away or refuses the entry.
        """
        experiment = self._experiment(entry.experiment)
        if entry.sweep not in self._sweeps:
            self._sweeps[entry.sweep] = self._find(experiment, entry.sweep)
        entry = self._linked(experiment, entry) if entry.starts_from else entry
        run = self._run(experiment, entry)
        self._log(run, entry)
        for name, text in entry.texts.items():
            self._client.log_text(run.id, text, name)
        if entry.artifacts and Path(entry.artifacts).is_dir():
            self._remove_stale(run.id, Path(entry.artifacts))
            self._client.log_artifacts(run.id, entry.artifacts)
        for file in entry.files:
            if (self._store / file).is_file():
                self._client.log_artifact(run.id, str(self._store / file))
        if entry.status == "RUNNING":
            self._client.update_run(run.id, status="RUNNING")
        elif entry.status:
            self._client.set_terminated(run.id, entry.status, entry.time)
        for key, value in entry.experiment_tags.items():
            self._client.set_experiment_tag(experiment, key, value)

    def _remove_stale(self, run: str, folder: Path) -> None:
        """Delete files that an earlier part of a resumed sweep logged as best, if the report no longer has them."""
        there = {file.path for file in self._client.list_artifacts(run)}
        stale = [name for name in MAY_GO if name in there and not (folder / name).exists()]
        if stale:
            uri = self._client.get_run(run).info.artifact_uri
            delete_artifacts(uri, self._client.tracking_uri, stale)  # if they stay, the run's tags name the right trial

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            self._experiments[name] = found.experiment_id if found else self._new_experiment(name)
        return self._experiments[name]

    def _new_experiment(self, name: str) -> str:
        try:
            created: str = self._client.create_experiment(name, artifact_location=self._artifacts)
        except MlflowException:
            found = self._client.get_experiment_by_name(name)  # another sweep made it a moment ago
            if found is None:
                raise
            return str(found.experiment_id)
        return created

    def _run(self, experiment: str, entry: Entry) -> MlflowRun:
        runs = self._sweeps[entry.sweep]
        place = (entry.cell, entry.place)
        if place not in runs:
            identity = {"radsweep.sweep": entry.sweep, "radsweep.cell": entry.cell, "radsweep.place": str(entry.place)}
            parent = runs.get(("", 0))
            if entry.cell and parent:
                identity["mlflow.parentRunId"] = parent.id
            started = entry.time if entry.started is None else entry.started
            tags = identity | _tags(entry)
            made = self._client.create_run(experiment, started, tags, entry.name)
            runs[place] = MlflowRun(made.info.run_id, tags)
        return runs[place]

    def _linked(self, experiment: str, entry: Entry) -> Entry:
        """Add the runs of the stages it starts from, as tags and as links in its description."""
        tags, links = {}, []
        for name, key in entry.starts_from.items():
            tags[f"radsweep.stage.{name}"] = key
            for (cell, _), run in self._sweeps[entry.sweep].items():
                if cell == key:
                    tags[f"radsweep.stage.{name}.run"] = run.id
                    links.append(f"[{name} stage](#/experiments/{experiment}/runs/{run.id})")
        if links:
            tags["mlflow.note.content"] = f"Starts from {', '.join(links)}."
        return entry.model_copy(update={"tags": entry.tags | tags})

    def _find(self, experiment: str, sweep: str) -> dict[tuple[str, int], MlflowRun]:
        """Find the sweep's runs; of two runs for one place (an answer got lost), the newer is deleted."""
        runs: dict[tuple[str, int], MlflowRun] = {}
        for found in search_runs(self._client, [experiment], f"tags.`radsweep.sweep` = '{sweep}'"):
            tags = found.data.tags
            place = (tags["radsweep.cell"], int(tags["radsweep.place"]))
            if place in runs:
                self._client.delete_run(found.info.run_id)
                continue
            looks = self._client.get_metric_history(found.info.run_id, "epoch") if "epoch" in found.data.metrics else ()
            runs[place] = MlflowRun(found.info.run_id, tags, found.data.params, (look.step for look in looks))
        return runs

    def _log(self, run: MlflowRun, entry: Entry) -> None:
        history = [step for step in entry.history if step.step not in run.steps]
        params = [Param(k, v[:LONGEST_PARAM]) for k, v in entry.params.items() if k not in run.params]
        tags = {k: v for k, v in _tags(entry).items() if run.tags.get(k) != v}
        requests = zip_longest(
            _chunks(_metrics([*history, *entry.summary]), METRICS_A_REQUEST),
            _chunks(params, PARAMS_A_REQUEST),
            _chunks((RunTag(k, v) for k, v in tags.items()), TAGS_A_REQUEST),
            fillvalue=(),
        )
        for some in requests:
            self._client.log_batch(run.id, *some)
        run.params |= {param.key for param in params}
        run.tags |= tags
        run.steps |= {step.step for step in history}


def _tags(entry: Entry) -> dict[str, str]:
    return {key: value[:LONGEST_TAG] for key, value in entry.tags.items() if value}


def _metrics(steps: Iterable[Step]) -> Iterator[Metric]:
    for step in steps:
        for name, value in step.metrics.items():
            yield Metric(name, value, step.time, step.step)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def trouble(error: Exception) -> tuple[str, bool]:
    """Describe an error without its own text, which may hold secrets; return it and True if the entry is at fault."""
    if isinstance(error, ModuleNotFoundError):
        return f"needs the Python package {error.name}", False
    code = getattr(error, "error_code", "")
    if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return "refuses access (set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a token)", False
    if "out-of-date database schema" in str(error):
        return "has the tables of another MLflow version (back it up, then run `mlflow db upgrade URI`)", False
    if "disk is full" in str(error):
        return "has a full disk (free space there)", False
    if code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
        return f"does not take an entry ({code})", True
    return "cannot be reached" if isinstance(error, MlflowException) else f"fails ({type(error).__name__})", False
