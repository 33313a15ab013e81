"""Sections of the report and the blocks that they consist of.

The page, Markdown and JSON each go through the sections of a report, so a new table or figure is added in one place: in
the function that makes its section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from radsweep.report.tables.arm_cells import ArmTable
from radsweep.report.tables.table import Table
from radsweep.report.text.recommendation import Recommendation
from radsweep.report.text.verdicts import Finding

if TYPE_CHECKING:  # Markdown needs no matplotlib
    from radsweep.report.figures.learning_curves import Figure, Key


class Block:
    """A part of a section. The page shows every kind of block, Markdown those that it has a form for."""

    is_remark: ClassVar[bool] = False  # explains other blocks, and is not shown without them

    @property
    def empty(self) -> bool:
        return False

    @property
    def nested(self) -> Iterator[Block]:
        """Itself and all blocks within."""
        yield self


@dataclass(frozen=True)
class Section:
    title: str
    anchor: str  # id on the page
    blocks: tuple[Block, ...]
    data: Mapping[str, Any] = field(default_factory=dict)  # for report.json by name, besides the named tables
    files: Mapping[str, str] = field(default_factory=dict)  # name: text, to be written beside the report

    @property
    def shown(self) -> tuple[Block, ...]:
        """Blocks with content; none if only remarks are left."""
        filled = tuple(block for block in self.blocks if not block.empty)
        return filled if any(not block.is_remark for block in filled) else ()

    @property
    def nested(self) -> Iterator[Block]:
        """All blocks, those within others included."""
        for block in self.blocks:
            yield from block.nested


@dataclass(frozen=True)
class Summary(Block):
    """The answer, and the metric in words if no table of arms explains it."""

    findings: tuple[Finding, ...]
    about: str = ""


@dataclass(frozen=True)
class Advice(Block):
    recommendation: Recommendation
    better: bool  # True if it recommends an arm that is shown to be better than the baseline


@dataclass(frozen=True)
class Bullets(Block):
    items: tuple[str, ...]

    @property
    def empty(self) -> bool:
        return not self.items


@dataclass(frozen=True)
class Arms(Block):
    """Arms by number of pairs, each comparison with its verdict and, folded away, its sentences."""

    table: ArmTable
    about: str  # what the numbers are
    basis: str  # the number of comparisons, and their population
    reading: tuple[str, ...]  # explanation of verdicts and columns

    @property
    def empty(self) -> bool:
        return not self.table.rows


@dataclass(frozen=True)
class Numbers(Block):
    """A table of worded numbers."""

    table: Table
    name: str = ""  # in report.json
    style: str = "numbers"  # classes of style.css
    titled: bool = False  # True if its title is shown below that of the section
    row_anchor: str = ""  # rows get the id `row_anchor-FIRST COLUMN`

    @property
    def empty(self) -> bool:
        return not self.table.rows


@dataclass(frozen=True)
class Legend(Block):
    """Colours and markers of the arms in the figures that follow."""

    is_remark: ClassVar[bool] = True
    keys: tuple[Key, ...]
    baseline: str

    @property
    def empty(self) -> bool:
        return len(self.keys) < 2


@dataclass(frozen=True)
class Figures(Block):
    figures: tuple[Figure, ...]
    width: str = ""  # `narrow` for figures with names along their left edge
    columns: int = 0  # small figures side by side, at most so many in a row; 0: one below the other

    @property
    def empty(self) -> bool:
        return not self.figures


@dataclass(frozen=True)
class Chosen(Block):
    """A configuration that has a file of its own beside the report."""

    yaml: str  # comments at its top give the reason for the choice
    file: str


@dataclass(frozen=True)
class Listing(Block):
    """YAML as in its file."""

    text: str


@dataclass(frozen=True)
class Remark(Block):
    """Explanation of the blocks around it; Markdown leaves it out."""

    is_remark: ClassVar[bool] = True
    text: str


@dataclass(frozen=True)
class Caution(Block):
    """A remark that every form of the report must carry."""

    is_remark: ClassVar[bool] = True
    text: str

    @property
    def empty(self) -> bool:
        return not self.text


@dataclass(frozen=True)
class Details(Block):
    """A block that the page folds away."""

    summary: str
    block: Block
    in_markdown: bool = False

    @property
    def empty(self) -> bool:
        return self.block.empty

    @property
    def nested(self) -> Iterator[Block]:
        yield self
        yield from self.block.nested


@dataclass(frozen=True)
class SideBySide(Block):
    blocks: tuple[Block, ...]

    @property
    def empty(self) -> bool:
        return all(block.empty for block in self.blocks)

    @property
    def nested(self) -> Iterator[Block]:
        yield self
        for block in self.blocks:
            yield from block.nested
