"""Choose the section of a report that is used as its text, and count the sections used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field, field_validator

from radsweep.data.importers.toolkit.importer import Recorded
from radsweep.data.packing.rows import report_fault
from radsweep.data.packing.settings import PackSettings
from radsweep.data.text.impressions import join_sections

NO_SECTION = "report without a usable section"
NAMES = ("findings", "impression", "last_paragraph", "comparison")


class SectionSettings(PackSettings):
    """Options of importers whose reports have sections."""

    sections: tuple[str, ...] = Field(
        ("impression", "findings"),
        description="sections in order of preference; the first that a report has is used. findings+impression: both, "
        "or the one that exists",
    )

    @field_validator("sections")
    @classmethod
    def _known(cls, sections: tuple[str, ...]) -> tuple[str, ...]:
        unknown = {name for entry in sections for name in entry.split("+")} - set(NAMES)
        if unknown or not sections:
            raise ValueError(f"expected {', '.join(NAMES)}, or two joined by +")
        return sections


class SectionChooser:
    """Choose the text of a report: the first entry of `order` that it has, or "" if it has none.

    A section that is empty or a placeholder counts as missing. Pass each report once, since its section is counted.
    """

    def __init__(self, order: Sequence[str], placeholders: Sequence[str]) -> None:
        self._order, self._placeholders = order, placeholders
        self._used: Counter[str] = Counter()

    def choose(self, sections: Mapping[str, str]) -> str:
        """Return the text of the chosen section, or ""."""
        return self.choose_first([sections])

    def choose_first(self, reports: Iterable[Mapping[str, str]]) -> str:
        """Return the text of the first of a study's reports that has a section to choose, or ""."""
        return next((text for sections in reports if (text := self._choose(sections))), "")

    def _choose(self, sections: Mapping[str, str]) -> str:
        usable = {name: text for name, text in sections.items() if not report_fault(text, self._placeholders)}
        joined = any("+" in entry for entry in self._order)
        for entry in self._order:
            names = [name for name in entry.split("+") if name in usable]
            if names:
                self._used["+".join(names)] += 1
                return join_sections([usable[name] for name in names]) if joined else usable[names[0]]
        return ""

    @property
    def note(self) -> str:
        used = ", ".join(f"{name} {count}" for name, count in self._used.most_common())
        return f"reports read by the section used: {used or 'none'}"

    @property
    def recorded(self) -> Recorded:
        """Order of preference, and number of reports by the section used, for the manifest."""
        return {
            "sections": ", ".join(self._order),
            **{f"reports_from_{name}": count for name, count in self._used.most_common()},
        }
