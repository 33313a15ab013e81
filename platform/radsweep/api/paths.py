"""Folders of this machine that a command or a function is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radsweep.errors import InputError


def local(argument: str, instead: str) -> Callable[[str | Path], Path]:
    """A parser of a folder of this machine, which looks before Path makes `s3:/BUCKET` of `s3://BUCKET`.

    Raises:
        InputError: an address, which is not repeated, as it may hold credentials.
    """

    def folder(given: str | Path) -> Path:
        if "://" in str(given):
            raise InputError(f"{argument}: expected a folder of this machine, not an address: {instead}")
        return Path(given)

    return folder
