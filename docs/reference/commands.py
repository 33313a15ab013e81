"""Page of every command with its arguments and options, generated from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from radsweep.cli.app import app

INTRODUCTION = """\
# Every command

`radsweep COMMAND --help` prints the same in the terminal. Results are printed to standard output, progress to standard
error. The exit code is 0 for success, 1 if the work failed, and 2 if the input was wrong. With exit code 2, nothing was
started and nothing written.
"""


def page() -> str:
    return "\n".join([INTRODUCTION, *(_text(names, command) for names, command in commands())])


def commands(group: Any = None, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the names of each command, such as (`pack`, `csv`), and the command."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, (*names, name))
        else:
            yield (*names, name), command


def _text(names: tuple[str, ...], command: Any) -> str:
    context = command.make_context(" ".join(("radsweep", *names)), [], resilient_parsing=True)
    usage = " ".join([context.info_name, *command.collect_usage_pieces(context)])
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    rows = [f"| `{_cell(term)}` | {_cell(about)} |" for term, about in records]
    example = command.epilog.rsplit("\n", 1)[1].strip()
    parts = [f"## {context.info_name} {{ #{'-'.join(names)} }}", command.help, f"```text\n{usage}\n```"]
    parts += ["\n".join(["| argument or option | what it is |", "|---|---|", *rows])] if rows else []
    return "\n\n".join([*parts, f"Example: `{example}`", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
