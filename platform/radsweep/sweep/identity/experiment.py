"""Identity of an experiment, and the earlier sweeps of the same experiment."""

from __future__ import annotations

import hashlib
import json

from radsweep.config.experiment import Experiment
from radsweep.console import Console
from radsweep.errors import InputError
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store


def experiment_key(experiment: Experiment) -> str:
    """Return a key that is equal for equal experiments, wherever they run."""
    return hashlib.sha256(_serialised(experiment).encode()).hexdigest()[:24]


def latest_unfinished(store: Store, experiment: Experiment, resume: bool, console: Console) -> SweepRecord | None:
    """Return the latest sweep of the same experiment for `--resume`; without it, say if that sweep is unfinished.

    Raises:
        InputError: no such sweep can be resumed.
    """
    wanted = _serialised(experiment)
    named = [sweep for sweep in store.sweeps() if sweep.name == experiment.experiment]
    same = [sweep for sweep in named if sweep.plan is not None and _serialised(sweep.plan) == wanted]
    if resume:
        if not same:
            raise InputError(
                f"no earlier sweep of this experiment in {store.root}; leave --resume out to start one, which reuses "
                "finished trials",
                key="--resume",
            )
        return same[-1]
    if same and same[-1].status in ("running", "interrupted"):
        lost = ", but its Optuna study starts again" if same[-1].kind == "search" else ""
        console.say(
            f"{same[-1].id}, an earlier sweep of the same experiment, did not finish; --resume continues it. "
            f"Starting a new sweep; finished trials are reused{lost}."
        )
    return None


def _serialised(experiment: Experiment) -> str:
    """Serialise an experiment without `run` and `data.source`."""
    tree = experiment.model_dump(mode="json", exclude_none=True, exclude={"run": True, "data": {"source": True}})
    return json.dumps(tree, sort_keys=True)
