"""`radsweep sweep --dry-run`: the plan, as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys

import typer

from radsweep.api.experiments import LoadedExperiment, plan
from radsweep.cli.output import show
from radsweep.sweep.forecast.dry_run_table import plan_lines, plan_table


def show_plan(experiment: LoadedExperiment, calibrate: bool, as_json: bool) -> None:
    """Print what the sweep would do; exit code 2 where it would be refused."""
    found = plan(experiment, calibrate=calibrate)
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=1))
    else:
        show(plan_table(found))
        print("\n".join(plan_lines(found)))
    for line in found.refused:
        print(f"radsweep: {line}", file=sys.stderr)
    if found.refused:
        raise typer.Exit(2)
