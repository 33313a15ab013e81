"""Experiments from Python: load, plan, run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from radsweep.config import keys
from radsweep.config.experiment import Experiment
from radsweep.config.load import parse_experiment, read_tree
from radsweep.errors import InputError, explaining

if TYPE_CHECKING:
    from radsweep.api.sweeps import Sweep
    from radsweep.sweep.forecast.dry_run import DryRun

ExperimentSource = Experiment | str | Path | Mapping[str, Any]


class LoadedExperiment(Experiment):
    """A checked experiment that remembers its file, so that later messages name it. `load_experiment` makes it.

    Its attributes are the keys of the experiment file; it cannot be changed.

    Example:
        >>> import radsweep as rs
        >>> experiment = rs.load_experiment("experiment.yaml")
        >>> experiment.train.batch_size
        16
        >>> sorted(experiment.ablation.arms)
        ['baseline', 'sentences']
    """

    origin: str = Field(default="experiment", exclude=True)
    """The file that it was loaded from; `experiment` for one made in Python."""


def load_experiment(
    source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> LoadedExperiment:
    """Read an experiment, apply overrides, and check every key and value.

    Args:
        source: path of an experiment file (YAML), or its content as nested dictionaries.
        overrides: {dotted key: value}, such as `{"data.shards": "my-shards", "train.epochs": 3}`; they do what
            `--set` does on the command line.

    Returns:
        The experiment, with the default of every key that it does not set.

    Raises:
        InputError: the file cannot be read, or a key or value is wrong. The message names the file, each wrong key,
            what was expected, and the closest valid key.

    Example:
        >>> import radsweep as rs
        >>> experiment = rs.load_experiment("experiment.yaml", {"train.batch_size": 8, "train.steps": 2})
        >>> experiment.train.batch_size, experiment.train.steps
        (8, 2)
        >>> same = rs.load_experiment({"experiment": "one-trial", "data": {"shards": "my-shards"}})
        >>> same.experiment
        'one-trial'
        >>> rs.load_experiment("experiment.yaml", {"train.epoch": 3})
        Traceback (most recent call last):
        radsweep.errors.InputError: experiment.yaml: train.epoch: unknown key; did you mean train.epochs?
    """
    tree, origin = (dict(source), "experiment") if isinstance(source, Mapping) else (read_tree(source), str(source))
    return _from(parse_experiment(keys.with_values(tree, overrides or {}), origin), origin)


def plan(experiment: ExperimentSource, *, calibrate: bool = False) -> DryRun:
    """Find out what a sweep would do: its trials, those that are done already, and how long the rest will take.

    Starts nothing and writes nothing. Ray is not needed.

    Args:
        experiment: from `load_experiment`; a path or a dictionary is loaded first.
        calibrate: train a few steps of each arm to estimate the time of trials that the store has no record of.

    Returns:
        A `DryRun`, which prints and shows in a notebook as the table of `radsweep sweep --dry-run`. What the sweep
        would be refused for is in its `refused`, and not raised.

    Raises:
        InputError: the experiment is wrong, or not even a plan can be made.

    Example:
        >>> import radsweep as rs
        >>> plan = rs.plan("experiment.yaml")
        >>> print(plan)
        small: what would run
        ┏━━━━━━━━━━━┳━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━┓
        ┃ arm       ┃ pairs ┃ replicates ┃ trials ┃ done already ┃
        ┡━━━━━━━━━━━╇━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━┩
        │ baseline  │    20 │          1 │      1 │            0 │
        ...
        >>> plan.trials, plan.done
        (4, 0)
    """
    from radsweep.console import Console
    from radsweep.sweep.forecast.dry_run import dry_run

    loaded = _loaded(experiment)
    with explaining(loaded.origin):
        found = dry_run(loaded, calibrate, Console().say)
    for error in found.refused:
        error.file = error.file or (loaded.origin if error.key else "")
    return found


def run(experiment: ExperimentSource, *, resume: bool = False, fresh: bool = False) -> Sweep:
    """Run a search, an ablation or a single trial on Ray, and write its report.

    Trials that the store has are not run again. Progress is shown on a terminal and in a notebook. Ctrl-C, or a
    notebook's stop button, saves checkpoints and ends the sweep as `interrupted`; `resume=True` continues it.

    Args:
        experiment: from `load_experiment`; a path or a dictionary is loaded first. Its `run` keys say where the
            store is and how many trials run at once.
        resume: continue the latest sweep of this experiment that did not finish.
        fresh: run every trial again, also those that earlier sweeps have finished.

    Returns:
        The `Sweep`. Its `status` is `finished`, `interrupted`, or `failed` if no trial finished.

    Raises:
        InputError: something that you can correct, such as a wrong key or a data set that is not there. No trial has
            started then.

    Example:
        >>> import radsweep as rs
        >>> sweep = rs.run("experiment.yaml")
        >>> sweep.status
        'finished'
        >>> sweep.trials()[["arm", "pairs", "status"]]
                 arm  pairs    status
        0   baseline     20  finished
        1  sentences     20  finished
        2   baseline     40  finished
        3  sentences     40  finished
    """
    from radsweep.sweep.checks.experiment import check_experiment

    if resume and fresh:
        raise InputError("resume and fresh cannot be combined: resume continues a sweep, fresh ignores what it did")
    loaded = _loaded(experiment)
    with explaining(loaded.origin):
        check_experiment(loaded)  # before the heavy imports: a wrong experiment is reported in a second

    from radsweep.api.sweeps import Sweep
    from radsweep.store.store import Store, store_folder
    from radsweep.sweep.run import run_sweep

    with explaining(loaded.origin):
        record = run_sweep(loaded, resume, fresh=fresh)
    return Sweep(Store(store_folder(loaded.run.store)), record.id)


def _loaded(experiment: ExperimentSource) -> LoadedExperiment:
    if isinstance(experiment, LoadedExperiment):
        return experiment
    return _from(experiment, "experiment") if isinstance(experiment, Experiment) else load_experiment(experiment)


def _from(experiment: Experiment, origin: str) -> LoadedExperiment:
    return LoadedExperiment.model_construct(experiment.model_fields_set, **dict(experiment), origin=origin)
