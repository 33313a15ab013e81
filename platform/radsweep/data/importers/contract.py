"""What an importer is: settings, and a function that reads a source's tables into rows for `data.pack`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radsweep.data.pack_settings import PackSettings
from radsweep.data.rows import SourceRow
from radsweep.data.studies import Needs

Recorded = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Source:
    """The rows of a source, in its order, and what the manifest tells about how they were read.

    recorded: settings and counts for `Manifest.source`. notes: what a reader of results should know.
    """

    rows: Sequence[SourceRow]
    needs: Needs
    recorded: Recorded = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Importer:
    """One entry of `radsweep pack`.

    settings: its options, one field each. read: (settings, root) to the source; reads tables and reports, looks
    pictures up but opens none; raises InputError. about: the command's help; its first sentence stands in the list
    of commands. example: the command's arguments.
    """

    settings: type[PackSettings]
    read: Callable[[Any, Path], Source]
    about: str
    example: str
