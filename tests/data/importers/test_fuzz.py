"""No input of any importer ends in a traceback, leaves anything behind or shows a patient's id, path or words.

The cases are decided by their number, so a failure names what to run again. The suite runs 200; `pytest -m slow
tests/data/importers/test_fuzz.py` runs 5,000.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from radsweep.data.importers.registry import IMPORTERS, pack_source
from radsweep.data.packing.pack import describe
from radsweep.errors import InputError
from support.odd_sources import CASES, MARK, WORD, Case, damaged_case, write

IN_SUITE, ON_DEMAND, TOGETHER = 200, 5000, 50


def run(case: Case, seed: int, folder: Path) -> str:
    """Pack a case and check what it leaves. Returns "packed" or the message."""
    root, out = folder / "source", folder / "out"
    write(case.files, root, random.Random(seed))
    settings = IMPORTERS[case.importer].settings(**case.settings)
    try:
        packed = pack_source(case.importer, settings, root, out)
    except InputError as error:
        said, result = str(error), str(error)
        assert [path.name for path in folder.iterdir()] == ["source"], "nothing is left behind"
    else:
        said, result = "\n".join([*describe(packed), *packed.manifest.notes]), "packed"
        assert out.is_dir()
    said = said.replace(str(folder), "")
    assert MARK not in said, f"seed {seed}: a patient's id or path in: {said}"
    assert WORD not in said, f"seed {seed}: a patient's words in: {said}"
    assert "\0" not in said
    return result


def run_all(seeds: range, tmp_path: Path) -> list[str]:
    results = []
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        case = damaged_case(seed)
        try:
            results.append(run(case, seed, folder))
        except Exception as error:
            error.add_note(f"seed {seed}, importer {case.importer}")
            raise
        shutil.rmtree(folder)
    return results


@pytest.mark.parametrize("number", range(len(CASES)))
def test_every_source_packs_before_it_is_damaged(tmp_path: Path, number: int) -> None:
    """Otherwise the cases below would only test one message."""
    assert run(CASES[number](), 0, tmp_path) == "packed"


@pytest.mark.parametrize("start", range(0, IN_SUITE, TOGETHER))
def test_a_damaged_source_is_packed_or_refused_in_words(tmp_path: Path, start: int) -> None:
    results = run_all(range(start, start + TOGETHER), tmp_path)
    assert 0 < results.count("packed") < TOGETHER


@pytest.mark.slow
@pytest.mark.parametrize("start", range(IN_SUITE, ON_DEMAND, 10 * TOGETHER))
def test_many_damaged_sources_are_packed_or_refused_in_words(tmp_path: Path, start: int) -> None:
    run_all(range(start, min(start + 10 * TOGETHER, ON_DEMAND)), tmp_path)
