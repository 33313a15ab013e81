"""Matplotlib axes as inline SVG that takes text colour and font from the page, in light and in dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, LINES, FAINT, PAGE = (
    "#010203",
    "#040506",
    "#070809",
    "#0a0b0c",
)  # placeholders for the page's colours until the SVG is written
_PAGE_COLOURS = {INK: "currentColor", LINES: "var(--rule)", FAINT: "var(--faint)", PAGE: "var(--page)"}
_PLAIN_COLOURS = {INK: "#1b1f24", LINES: "#d9dde3", FAINT: "#b9c0ca", PAGE: "#ffffff"}
# distinguishable on white and on near-black, and by marker without colour
COLOURS = ("#3f7fcf", "#e07b1a", "#2a9d74", "#a467c9", "#d9505f", "#17a2b8", "#a97b3c", "#8a9a20")
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">")
OUTLINES = {  # the same markers in a box of 12 x 12, for the legend in the page
    "o": "M6 1a5 5 0 1 0 .01 0z",
    "s": "M1.5 1.5h9v9h-9z",
    "^": "M6 1l5 10H1z",
    "D": "M6 0l6 6-6 6-6-6z",
    "v": "M6 11l5-10H1z",
    "P": "M4 1h4v3h3v4H8v3H4V8H1V4h3z",
    "X": "M3 1l3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3-3-3z",
    "<": "M1 6l10 5V1z",
    ">": "M11 6L1 11V1z",
}
LONGEST_NAME = 24
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "radsweep",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINES,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "grid.color": LINES,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,
    "axes.unicode_minus": True,
}


class Drawing:
    """An Axes to draw on; after the block, `svg` is for the page, and `file` is self-contained, dark on white."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.svg = ""
        self.file = ""


@contextmanager
def drawing(
    name: str,
    label: str,
    width: float = 5.6,
    height: float = 3.5,
    edges: tuple[float, float, float, float] | None = None,
) -> Iterator[Drawing]:
    """A picture to draw on.

    Args:
        name: makes ids unique within a page.
        label: read aloud instead of the picture.
        width, height: inches.
        edges: left, bottom, right, top of the axes in parts of the picture, for panels that align; else fitted.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout=None if edges else "constrained")
        if edges:
            figure.subplots_adjust(*edges)
        FigureCanvasSVG(figure)
        picture = Drawing(figure.add_subplot())
        yield picture
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    picture.svg = _inline(buffer.getvalue(), name, label)
    picture.file = _alone(buffer.getvalue())


def short(name: str) -> str:
    """Shorten a name to leave space for the picture."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _alone(text: str) -> str:
    body = _body(text)
    for colour, plain in _PLAIN_COLOURS.items():
        body = body.replace(colour, plain)
    return body.replace(">", '><rect width="100%" height="100%" fill="#ffffff"/>', 1)


def _body(text: str) -> str:
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _inline(text: str, name: str, label: str) -> str:
    body = _body(text)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body, count=2)
    body = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for colour, page in _PAGE_COLOURS.items():
        body = body.replace(colour, page)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    viewbox = re.search(r'viewBox="[^"]*"', body)
    assert viewbox is not None
    words = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"<svg[^>]*>", lambda _: f'<svg {viewbox[0]} role="img" aria-label="{words}">', body, count=1)
