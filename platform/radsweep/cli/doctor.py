"""The command that checks what a sweep will need."""

from __future__ import annotations

import dataclasses
import json

import typer

from radsweep.cli.arguments import Changes, Experiment, Json


def doctor(
    experiment: Experiment,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Check what a sweep will need, from where it will run, and explain how to provide what is missing.

    Weights, store, tracking server, data, Ray and its token, object store, resources, versions on all nodes, paths,
    evaluation. Nothing is trained. The exit code is 1 if something is missing.
    """
    from rich.console import Console as Terminal

    from radsweep.config.load import load_experiment
    from radsweep.sweep.checks.doctor import CheckResult, examine

    loaded = load_experiment(experiment, changes or [])
    terminal = Terminal(highlight=False, soft_wrap=True)
    found: list[CheckResult] = []
    for finding in examine(loaded, str(experiment)):
        found.append(finding)
        if as_json:
            continue
        mark = "[green]fine   [/]" if finding.fine else "[red]missing[/]"
        terminal.print(f"{mark}  {finding.what:<16}", end="")
        terminal.print(finding.told, markup=False)
        if not finding.fine:
            terminal.print(f"{'':<9}{'to do':<16}{finding.remedy}", markup=False)
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=1))
    if not all(finding.fine for finding in found):
        raise typer.Exit(1)
