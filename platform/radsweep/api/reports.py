"""A written report as a path that a notebook shows."""

from __future__ import annotations

import html
import os
from pathlib import Path

HEIGHT = 800  # pixels, of the frame in a notebook


class SweepReport(os.PathLike[str]):
    """The path of a `report.html`. A notebook shows the page itself; it loads nothing from any network.

    Attributes:
        path: path of the page.

    Example:
        >>> import radsweep as rs
        >>> report = rs.open_sweep("small", store="store").report()
        >>> report.path.with_name("report.md").exists()
        True
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"SweepReport({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return the page in its own frame, so that its style and the notebook's do not mix."""
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width: 100%; height: {HEIGHT}px; border: none"></iframe>'
