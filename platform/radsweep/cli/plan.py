"""`radsweep sweep --dry-run`: the plan, as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json

from radsweep.api.experiments import LoadedExperiment, plan
from radsweep.cli.output import show
from radsweep.errors import joined
from radsweep.sweep.forecast.dry_run_table import plan_lines, plan_table


def show_plan(experiment: LoadedExperiment, calibrate: bool, as_json: bool) -> None:
    """Print the plan of the sweep; raise the errors that would stop it."""
    found = plan(experiment, calibrate=calibrate)
    if as_json:
        refused = [str(error) for error in found.refused]
        print(json.dumps(dataclasses.asdict(found) | {"refused": refused}, indent=1))
    else:
        show(plan_table(found))
        print("\n".join(plan_lines(found)))
    if found.refused:
        raise joined(found.refused)
