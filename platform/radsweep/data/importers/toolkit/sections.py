"""Which section of a report stands for it, and how often each did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import Field, field_validator

from radsweep.data.importers.toolkit.importer import Recorded
from radsweep.data.packing.rows import report_fault
from radsweep.data.packing.settings import PackSettings

NO_SECTION = "report without a usable section"
NAMES = ("findings", "impression", "last_paragraph", "comparison")


class SectionSettings(PackSettings):
    """Options of importers whose reports have sections."""

    sections: tuple[str, ...] = Field(
        ("impression", "findings"),
        description="sections in order of preference; the first that a report has is used. findings+impression: both, "
        "or the one there is",
    )

    @field_validator("sections")
    @classmethod
    def _known(cls, sections: tuple[str, ...]) -> tuple[str, ...]:
        unknown = {name for entry in sections for name in entry.split("+")} - set(NAMES)
        if unknown or not sections:
            raise ValueError(f"expected {', '.join(NAMES)}, or two joined by +")
        return sections


class SectionChooser:
    """`choose(sections)`: the text of the first entry of `order` that a report has, "" where it has none.

    A section that is empty or a placeholder counts as missing. Each report is to be given once: its section is counted.
    """

    def __init__(self, order: Sequence[str], placeholders: Sequence[str]) -> None:
        self._order, self._placeholders = order, placeholders
        self._used: Counter[str] = Counter()

    def choose(self, sections: Mapping[str, str]) -> str:
        usable = {name: text for name, text in sections.items() if not report_fault(text, self._placeholders)}
        for entry in self._order:
            names = [name for name in entry.split("+") if name in usable]
            if names:
                self._used["+".join(names)] += 1
                return "\n\n".join(usable[name] for name in names)
        return ""

    @property
    def note(self) -> str:
        used = ", ".join(f"{name} {count}" for name, count in self._used.most_common())
        return f"reports read by the section used: {used or 'none'}"

    @property
    def recorded(self) -> Recorded:
        """For the manifest: the order asked for, and the reports read that each section stands for."""
        return {
            "sections": ", ".join(self._order),
            **{f"reports_from_{name}": count for name, count in self._used.most_common()},
        }
