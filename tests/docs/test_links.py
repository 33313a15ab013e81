"""Links of README and docs have targets, on GitHub and in the site. `make docs` checks the site itself."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pytest
import yaml

from support.pages import BESIDE, ROOT, WRITTEN, anchors, generated, links


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """{path: text} of every page that may be the target of a link."""
    read = {name: path.read_text(encoding="utf-8") for name, path in (WRITTEN | BESIDE).items()}
    return read | {name: page() for name, page in generated().items()}


def broken(pages: dict[str, str]) -> list[str]:
    """List `page: link` for each internal link without a file or anchor."""
    found = []
    for name, text in pages.items():
        for link in links(text):
            path, _, anchor = link.partition("#")
            if "://" in link:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            there = target in pages or (ROOT / target).is_file()
            if not there or (anchor and anchor not in anchors(pages.get(target, ""))):
                found.append(f"{name}: {link}")
    return found


def test_every_link_and_anchor_has_a_target(pages: dict[str, str]) -> None:
    assert sum(len(links(text)) for text in pages.values()) > 60
    assert broken(pages) == []


@pytest.mark.parametrize("link", ["nowhere.md", "designs.md#nowhere", "#nowhere", "images/nowhere.png"])
def test_a_broken_link_is_found(pages: dict[str, str], link: str) -> None:
    assert broken(pages | {"docs/new.md": f"# New\n\nSee [there]({link}).\n"}) == [f"docs/new.md: {link}"]


def test_pages_of_the_docs_only_link_to_files_that_the_site_has(pages: dict[str, str]) -> None:
    inside = {name: text for name, text in pages.items() if name.startswith("docs/")}
    targets = [posixpath.join(posixpath.dirname(name), link) for name, text in inside.items() for link in links(text)]
    assert [
        target for target in map(posixpath.normpath, targets) if "://" not in target and target[:5] != "docs/"
    ] == []


def test_every_page_is_in_the_navigation_and_every_picture_is_shown(pages: dict[str, str]) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    sections = yaml.safe_load(navigation)["nav"]
    named = {page for entry in sections for value in entry.values() for page in _pages(value)}
    assert named == {name.removeprefix("docs/") for name in pages if name.startswith("docs/")}
    shown = {Path(link).name for text in pages.values() for link in links(text)}
    assert {picture.name for picture in (ROOT / "docs" / "images").iterdir()} <= shown


def _pages(value: str | list[dict[str, str]]) -> list[str]:
    return [value] if isinstance(value, str) else [page for entry in value for page in entry.values()]
