"""Processes that tests start, forked from one that has imported what they need: importing takes them seconds."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).resolve().parents[1]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["support.paused_process", "support.stage_process"])


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def start(main: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process that calls `main`, a function of a module in `support`."""
    process = CONTEXT.Process(target=main, args=arguments)
    with pytest.MonkeyPatch.context() as patch:  # the first process starts the one that all are forked from
        patch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
        process.start()
    return process


def wait(process: BaseProcess, seconds: float = 300) -> int | None:
    """Return the exit code of a process, or None if it does not end."""
    process.join(seconds)
    return process.exitcode


def run_script(folder: Path, script: Path, *arguments: str) -> Ended:
    """Run `python SCRIPT ARGUMENTS`; its output goes to files in the folder."""
    files = [folder / "stdout", folder / "stderr"]
    code = wait(start(_be_script, script, arguments, files), seconds=900)
    assert code is not None, f"{script} does not end"
    return Ended(code, *(file.read_text(encoding="utf-8") for file in files))


def _be_script(script: Path, arguments: tuple[str, ...], files: list[Path]) -> None:
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
