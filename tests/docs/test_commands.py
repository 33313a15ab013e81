"""Commands in README and docs exist, with options and settings that exist."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from radsweep.cli.app import app
from radsweep.config import keys
from radsweep.config.load import load_base, load_experiment, parse_changes, parse_experiment, trial_with
from radsweep.data.importers.registry import IMPORTERS
from radsweep.errors import InputError
from support.pages import MINIMAL, ROOT, spans
from support.typed import TOLD, Told

REFUSED = (InputError, typer.BadParameter.__mro__[1])  # the base class of all errors of usage


def parsed(*words: str) -> dict[str, Any]:
    """Return the parsed arguments. Raise for an unknown command or option, a wrong value or a wrong argument."""
    command, context, rest = typer.main.get_command(app), None, list(words)
    while rest != ["--help"] and hasattr(command, "resolve_command"):
        context = command.make_context("radsweep", [], parent=context, resilient_parsing=True)
        context.resilient_parsing = False  # from here on: an unknown command is refused
        _, command, rest = command.resolve_command(context, rest)
    with contextlib.suppress(typer.Exit), contextlib.redirect_stdout(io.StringIO()):  # --help
        params: dict[str, Any] = command.make_context(command.name, rest, parent=context).params
        return params
    return {}


def check(each: Told) -> None:
    if "NAME" in each.words:  # of any importer
        for name in IMPORTERS:
            check(each._replace(words=tuple(name if word == "NAME" else word for word in each.words)))
        return
    words = [word for word in each.words if word != "COMMAND"]
    if each.mention and "--help" not in words and all(re.fullmatch("[a-z-]+", word) for word in words):
        words.append("--help")  # only the name is given: no argument is missing
    given = parsed(*words)
    changes, file = given.get("changes") or [], given.get("experiment")
    if file is None:
        trial_with(parse_experiment(MINIMAL, "docs").trial(), parse_changes(changes))
    elif len(file.parts) > 1:
        (load_base if words[0] == "train" else load_experiment)(ROOT / file, changes)
    else:  # FILE, best.yaml
        parse_experiment(keys.with_values(MINIMAL, parse_changes(changes)), str(each))


@pytest.fixture(autouse=True)
def _head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://HEAD:8265")  # as the page on clusters sets it


@pytest.mark.parametrize("each", TOLD, ids=str)
def test_a_command_of_the_pages_exists_and_accepts_its_arguments(each: Told) -> None:
    check(each)


def test_an_option_in_a_sentence_belongs_to_a_command() -> None:
    known = {
        option for command in all_commands(typer.main.get_command(app)) for p in command.params for option in p.opts
    }
    named = {(code.place, code.text.split()[0]) for code in spans() if code.text.startswith("--")}
    assert len(named) > 15
    assert [(place, option) for place, option in sorted(named) if option not in known] == []


def all_commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from all_commands(inner)


def test_the_commands_of_every_page_are_found() -> None:
    assert len(TOLD) > 40
    named = {each.words[0] for each in TOLD}
    assert {command.name for command in app.registered_commands if not command.hidden} <= named


@pytest.mark.parametrize(
    "words",
    ["swep search_spaces/quickstart.yaml", "sweep search_spaces/nowhere.yaml", "sweep FILE --nonsense", "inspect",
     "sweep search_spaces/quickstart.yaml --set train.epoch=3", "sweep FILE --set train.epochs=many", "sweep FILE more",
     "evaluate MODEL --data SHARDS --set evaluate.task=retrieval", "pack NAME ROOT", "pack dicom ROOT OUT",
     "ui --port 0"],
)  # fmt: skip
@pytest.mark.parametrize("mention", [True, False])
def test_a_wrong_command_is_refused(words: str, mention: bool) -> None:
    if mention and words == "inspect":
        check(Told("new.md", ("inspect",), mention))  # its name
        return
    with pytest.raises(REFUSED):
        check(Told("new.md", tuple(words.split()), mention))
