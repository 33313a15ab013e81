"""Folders of this machine that are passed to a command or a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radsweep.errors import InputError


def folder_here(argument: str, instead: str) -> Callable[[str | Path], Path]:
    """Parser of a folder of this machine, which checks before Path turns `s3://BUCKET` into `s3:/BUCKET`.

    Raises:
        InputError: it is an address. The message does not repeat it, since it may hold credentials.
    """

    def folder(given: str | Path) -> Path:
        if "://" in str(given):
            raise InputError(f"{argument}: expected a folder of this machine, not an address: {instead}")
        return Path(given)

    return folder
