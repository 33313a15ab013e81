"""The beginning of a report's impression, from its header or from the blank line by which packing joins sections."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from radsweep.errors import InputError

JOINT = "\n\n"  # between sections; a blank line within one is packed as "\n \n"
_WITHIN = re.compile(r"\n(?=\n)")
_HEADER = re.compile(
    r"^[ \t]*(?i:impressions?|conclusions?|opinion)[ \t]*:|(?<=\s)(?:IMPRESSIONS?|CONCLUSIONS?|OPINION)[ \t]*:",
    re.MULTILINE,
)  # at the start of a line in any case, elsewhere in capitals


def join_sections(texts: Sequence[str]) -> str:
    """The text that is packed: a blank line between sections and nowhere else."""
    return JOINT.join(_WITHIN.sub("\n ", text) for text in texts)


def sections_of(source: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections that reports were packed with, in order of preference, from `source` of a manifest."""
    return tuple(filter(None, str(source.get("sections", "")).split(", ")))


def end_with_impression(sections: Sequence[str]) -> bool:
    """True if packing put the impression after another section, so that the last joint shows where it begins."""
    return any(entry.endswith("+impression") for entry in sections)


def impression_start(report: str, joined: bool) -> int | None:
    """The character at which the impression begins, its header included; None if nothing shows it.

    Args:
        joined: as `end_with_impression`.
    """
    header, joint = _HEADER.search(report), report.rfind(JOINT) if joined else -1
    starts = [header.start()] if header else []
    return min([*starts, joint + len(JOINT)] if joint >= 0 else starts, default=None)


def check_impressions(name: str, reports: Iterable[str], sections: Sequence[str]) -> None:
    """Refuse a data set whose reports do not show where their impression begins.

    Args:
        name: of the data set.
        sections: that it was packed with.

    Raises:
        InputError: the reason, and what to do.
    """
    joined = end_with_impression(sections)
    if joined:
        most = max(entry.count("+") for entry in sections if entry.endswith("+impression"))
        unclear = sum(report.count(JOINT) > most for report in reports)
        reason = f"{unclear:,} reports of {name} have blank lines within a section, so that it is not known which one"
        if unclear:
            raise InputError(
                f"{reason} the impression follows; pack the data set again with this version",
                key="model.text.truncation",
            )
        return
    if any(impression_start(report, joined) is not None for report in reports):
        return
    packed = f"were packed with --sections {', '.join(sections)}" if sections else "have no sections"
    raise InputError(
        f"impression_first needs to know where an impression begins, but the reports of {name} {packed}, and have no "
        "header such as IMPRESSION:. Pack them with --sections findings+impression, or set it to head or tail",
        key="model.text.truncation",
    )
