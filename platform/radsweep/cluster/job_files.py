"""Files that a job takes along: the package, its entry point, the experiment file and the files that it names."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import radsweep
from radsweep.config.load import read_tree, written
from radsweep.errors import InputError, explaining

FILES = "files"  # folder in the job's folder for the user's own word lists and prompts

# The same as jobs/sweep.py of a checkout
ENTRY = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "platform"))
from radsweep.cli import main

sys.argv.insert(1, "{command}")
main()
"""


def stage(folder: Path, experiment: Path, changes: Sequence[str], resume: bool = False) -> str:
    """Put into `folder` what the job needs, and return the job's command.

    Changes are written into the staged file, not into the command: Ray shows the command in its log and on its
    dashboard, and a change may contain the password of a database.

    Raises:
        InputError: a word list or a file of prompts that the experiment names does not exist.
    """
    command = copy_code(folder, "sweep")
    inside = not experiment.is_absolute() and ".." not in experiment.parts
    name = PurePosixPath(experiment if inside else PurePosixPath("search_spaces") / experiment.name)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    tree = read_tree(experiment, changes)
    with explaining(experiment):
        staged = _with_files(tree, folder / FILES)
    if changes or staged != tree:
        (folder / name).write_text(written(staged), encoding="utf-8")
    else:
        shutil.copyfile(experiment, folder / name)
    return shlex.join([*command, str(name), *(["--resume"] if resume else [])])


def copy_code(folder: Path, command: str) -> list[str]:
    """Put the package and the entry point of one of its commands into `folder`. Return the start of a command line."""
    source = Path(radsweep.__file__).parent
    shutil.copytree(source, folder / "platform" / "radsweep", ignore=shutil.ignore_patterns("__pycache__"))
    entry = folder / "jobs" / f"{command}.py"
    entry.parent.mkdir()
    entry.write_text(ENTRY.format(command=command), encoding="utf-8")
    return ["python", f"jobs/{command}.py"]


def _with_files(value: Any, folder: Path, key: str = "") -> Any:
    """Return `value` with the YAML files that it names, at any depth, copied to `folder` and named there."""
    if isinstance(value, dict):
        return {name: _with_files(inner, folder, f"{key}.{name}".strip(".")) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_files(inner, folder, key) for inner in value]
    if not isinstance(value, str) or not value.endswith((".yaml", ".yml")):
        return value
    file = Path(value).expanduser()
    if file.is_file():
        number = len(list(folder.glob("*")))
        copy = folder / str(number) / file.name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(file, copy)
        return f"{FILES}/{number}/{file.name}"
    if file.is_absolute():  # it may be where all nodes see it
        return value
    raise InputError(f"{value} does not exist, so it cannot be sent along; give its path from this folder", key=key)
