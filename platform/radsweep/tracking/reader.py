"""Reader of a sweep's runs in MLflow and of their files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from mlflow.tracking import MlflowClient

from radsweep.errors import InputError
from radsweep.tracking.address import database_path, sanitise_uri
from radsweep.tracking.runs import all_pages, search_runs, trouble

_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]*")  # what may become the name of a folder
_OWN = "tags.`radsweep.role` = 'sweep'"
MOST_NAMED = 5


class MirroredRun(NamedTuple):
    """A run that the sweep's mirror made."""

    run: str  # MLflow's own id
    experiment: str  # its name
    sweep: str
    cell: str  # key of the trial or stage; empty for the sweep's own run
    place: int  # number in the plan
    role: str  # sweep, trial, stage, reference
    ended: bool


class Reader:
    """Reader of one MLflow. Every error is an InputError without secrets."""

    def __init__(self, uri: str) -> None:
        """Connect; `uri` is from `tracking_uri`.

        Raises:
            InputError: it names a SQLite file that is not there.
        """
        self.where = f"MLflow at {sanitise_uri(uri)}"
        if (path := database_path(uri)) and not path.is_file():
            raise InputError(f"{self.where}: no such file; give the tracking URI that the sweep ran with")
        with self._told():
            self._client = MlflowClient(tracking_uri=uri)

    def find(self, sweep: str) -> list[MirroredRun]:
        """Return all runs of the latest sweep whose name or id starts with `sweep`, or of a full id; its own run first.

        Raises:
            InputError: no such sweep, or MLflow cannot be read.
        """
        with self._told():
            names = {found.experiment_id: found.name for found in all_pages(self._experiments)}
            likely = [key for key, name in names.items() if name.startswith(sweep) or sweep.startswith(name)]
            own = self._runs(likely, _OWN, names)
            chosen = [run for run in own if sweep in (run.sweep, run.experiment)]
            chosen = chosen or [run for run in own if run.sweep.startswith(sweep)]
            if not chosen:
                known = ", ".join(run.sweep for run in self._runs(list(names), _OWN, names)[-MOST_NAMED:]) or "none"
                raise InputError(f"{self.where}: no sweep {sweep!r} there; the latest are: {known}")
            latest = chosen[-1]
            experiment = next(key for key, name in names.items() if name == latest.experiment)
            found = self._runs([experiment], f"tags.`radsweep.sweep` = '{latest.sweep}'", names)
        places = {(run.cell, run.place): run for run in reversed(found)}  # of two for one place, the older
        return sorted(places.values(), key=lambda run: (bool(run.cell), run.place))

    def download(self, run: MirroredRun, patterns: Sequence[str], folder: Path) -> list[str]:
        """Copy the run's artifacts that match any pattern into `folder`; return their names.

        Raises:
            InputError: they cannot be read.
        """
        with self._told():
            there = [file.path for file in self._client.list_artifacts(run.run) if not file.is_dir]
            found = [name for name in there if any(fnmatchcase(name, pattern) for pattern in patterns)]
            if found:
                folder.mkdir(parents=True, exist_ok=True)
            for name in found:
                self._client.download_artifacts(run.run, name, str(folder))
        return found

    def _experiments(self, token: str | None) -> Any:
        return self._client.search_experiments(max_results=1000, page_token=token)

    def _runs(self, experiments: list[str], condition: str, names: dict[str, str]) -> list[MirroredRun]:
        """Find runs, the oldest first; `names` is {id: name} of the experiments."""
        runs = []
        for found in search_runs(self._client, experiments, condition) if experiments else ():
            tags = found.data.tags
            sweep, cell = tags.get("radsweep.sweep", ""), tags.get("radsweep.cell", "")
            if _PLAIN.fullmatch(sweep) and (not cell or _PLAIN.fullmatch(cell)):
                run = MirroredRun(
                    run=found.info.run_id,
                    experiment=names[found.info.experiment_id],
                    sweep=sweep,
                    cell=cell,
                    place=int(tags.get("radsweep.place", 0)),
                    role=tags.get("radsweep.role", ""),
                    ended=found.info.status != "RUNNING",
                )
                runs.append(run)
        return runs

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # MLflow's own texts may hold secrets
            raise InputError(f"{self.where} {trouble(error)[0]}") from None
