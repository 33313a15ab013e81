"""Properties of every importer, and the recipe for a new one in the docs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.data.importers.registry import IMPORTERS, pack_source
from radsweep.errors import InputError

DOCS = Path(__file__).resolve().parents[3] / "docs"
PUBLISHED = [name for name in IMPORTERS if name != "csv"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_empty_folder_is_refused_with_the_missing_files_and_their_origin(name: str, tmp_path: Path) -> None:
    root = tmp_path / "above" / "empty"
    root.mkdir(parents=True)
    with pytest.raises(InputError, match=r"missing; (it comes|they come) with .*https://"):
        pack_source(name, IMPORTERS[name].settings(), root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_existing_folder_is_refused_before_the_source_is_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="already exists and is never overwritten"):
        pack_source(name, IMPORTERS[name].settings(), tmp_path, tmp_path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_docs_have_a_command_for_each(name: str) -> None:
    page = (DOCS / "importers.md").read_text(encoding="utf-8")
    assert f"\nradsweep pack {name} {IMPORTERS[name].example}\n" in page


def test_the_recipe_of_the_docs_packs(
    pack: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    table: Callable[..., None],
    picture: Callable[[Path, int], None],
) -> None:
    section = (DOCS / "extend.md").read_text(encoding="utf-8").split("## An importer\n")[1]
    (recipe,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    written: dict[str, Any] = {"__name__": "our_set"}
    exec(compile(recipe, "our_set.py", "exec"), written)
    monkeypatch.setitem(IMPORTERS, "our-set", written["IMPORTER"])
    table(tmp_path / "source" / "reports.csv", ("id", "text"), [("a", "Clear."), ("b", ""), ("c", "Effusion.")])
    for seed, name in enumerate("ab"):
        picture(tmp_path / "source" / f"{name}.png", seed)
    packed = pack("our-set", tmp_path / "source")
    assert [study["report"] for study in packed.studies] == ["Clear."]
    assert packed.manifest.dropped == {"no report": 1, "image file not found": 1}
