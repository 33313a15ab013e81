"""Commands that take an experiment file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from radsweep.cli.arguments import Changes, Experiment, Json
from radsweep.errors import InputError, explaining


def sweep(
    experiment: Experiment,
    changes: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the latest sweep of this experiment.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every trial again, also those that earlier sweeps have finished.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan with its time and start nothing.")] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="With --dry-run: train some steps of each arm to estimate the time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a search or an ablation, and write its report."""
    if resume and fresh:
        raise InputError(
            "--resume and --fresh cannot be combined: --resume continues a sweep, --fresh ignores earlier results"
        )
    if calibrate and not dry_run:
        raise InputError("--calibrate only works with --dry-run")
    if dry_run:
        from radsweep.api.experiments import load_experiment
        from radsweep.cli.plan import show_plan
        from radsweep.config.load import parse_changes

        with explaining(experiment):
            show_plan(load_experiment(experiment, parse_changes(changes or [])), calibrate, as_json)
        return
    _run(experiment, changes, resume, as_json, alone=False, fresh=fresh)


def train(experiment: Experiment, changes: Changes = None, as_json: Json = False) -> None:
    """Run one trial: the experiment without search or ablation."""
    _run(experiment, changes, False, as_json, alone=True)


def schema() -> None:
    """Print the JSON schema of the experiment file."""
    from radsweep.config.experiment import Experiment

    print(json.dumps(Experiment.model_json_schema(), indent=2))


def _run(
    experiment: Path, changes: list[str] | None, resume: bool, as_json: bool, alone: bool, fresh: bool = False
) -> None:
    from radsweep.config.load import load_base, load_experiment

    loaded = (load_base if alone else load_experiment)(experiment, changes or [])

    from radsweep.sweep.checks.experiment import check_experiment

    with explaining(experiment):
        check_experiment(loaded)  # before the heavy imports: a wrong experiment is reported in a second

    from radsweep.cli.results import tell
    from radsweep.store.store import Store, store_folder
    from radsweep.sweep.run import run_sweep

    with explaining(experiment):
        record = run_sweep(loaded, resume, fresh=fresh)
    tell(Store(store_folder(loaded.run.store)), record, as_json)
    if record.status != "finished":
        raise typer.Exit(1)
