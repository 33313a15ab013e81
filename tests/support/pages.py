"""Parts of README and docs: blocks, code within sentences, anchors, links."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WRITTEN = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))}
BESIDE = {name: ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")}

MINIMAL = {"experiment": "docs", "data": {"shards": "my-shards"}}  # context of a piece of an experiment file

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+?)(?: \{ #(\S+) \})?$", re.MULTILINE)


class Code(NamedTuple):
    """A block or a piece of a sentence, and its place."""

    place: str
    language: str
    text: str


def generated() -> dict[str, Callable[[], str]]:
    """{place: text} of the pages that are made when the docs are built."""
    sys.path.insert(0, str(DOCS / "reference"))
    try:
        from generated import PAGES
    finally:
        sys.path.pop(0)
    return {f"docs/reference/{name}": page for name, page in PAGES.items()}


def blocks() -> Iterator[Code]:
    for name, path in WRITTEN.items():
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Code(f"{name}:{line}", match[2], match[3])


def spans() -> Iterator[Code]:
    """Code within sentences and tables; a break of the line within it counts as a space."""
    for name, path in WRITTEN.items():
        for text in _SPAN.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
            yield Code(name, "", " ".join(text.split()))


def anchors(text: str) -> set[str]:
    """Targets of links within a page: headings as GitHub and MkDocs name them, and marks in HTML."""
    text = _FENCE.sub("", text)
    return {given or slug(title) for title, given in _HEADING.findall(text)} | set(
        re.findall(r'<a id="([^"]+)">', text)
    )


def links(text: str) -> list[str]:
    return _LINK.findall(_SPAN.sub("", _FENCE.sub("", text)))


def slug(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
