"""What a sweep asks, and which earlier sweep asked the same."""

from __future__ import annotations

import hashlib
import json

from radsweep.config.experiment import Experiment
from radsweep.console import Console
from radsweep.errors import InputError
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store


def experiment_key(experiment: Experiment) -> str:
    """The same for sweeps that ask the same, wherever they run."""
    return hashlib.sha256(_asked(experiment).encode()).hexdigest()[:24]


def latest_unfinished(store: Store, experiment: Experiment, resume: bool, console: Console) -> SweepRecord | None:
    """The latest sweep of the same question, which `--resume` goes on with; a plain call says that it is unfinished.

    Raises:
        InputError: there is none to go on with.
    """
    asked = _asked(experiment)
    named = [sweep for sweep in store.sweeps() if sweep.name == experiment.experiment]
    same = [sweep for sweep in named if sweep.plan is not None and _asked(sweep.plan) == asked]
    if resume:
        if not same:
            raise InputError(
                f"no sweep of this very experiment in {store.root}; without --resume a new one starts, and trials that "
                "are finished already are not run again",
                key="--resume",
            )
        return same[-1]
    if same and same[-1].status in ("running", "interrupted"):
        lost = " and its study starts anew" if same[-1].kind == "search" else ""
        console.say(
            f"{same[-1].id} asked the same and is unfinished: add --resume to go on with it. This is a new sweep: "
            f"trials that are finished are not run again{lost}."
        )
    return None


def _asked(experiment: Experiment) -> str:
    """Without where it runs and how its images reach the trials."""
    tree = experiment.model_dump(mode="json", exclude_none=True, exclude={"run": True, "data": {"source": True}})
    return json.dumps(tree, sort_keys=True)
