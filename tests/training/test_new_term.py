"""The term of docs/extend.md, added to a copy of the package as the page says, and to nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radsweep
from radsweep.sweep.identity.code import trial_code
from support.processes import TESTS
from support.synthetic import synthetic_trial

PAGE = TESTS.parent / "docs" / "extend.md"
PACKAGE = Path(radsweep.__file__).parent
CASE = "mean region"


def insert(folder: Path, before: str, text: str) -> None:
    """Put a text above the one line of a folder's files that starts so."""
    (file,) = (file for file in folder.rglob("*.py") if f"\n{before}" in file.read_text(encoding="utf-8"))
    source = file.read_text(encoding="utf-8")
    assert source.count(f"\n{before}") == 1
    file.write_text(source.replace(f"\n{before}", f"\n{text}{before}"), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the extended package and the tests' helpers."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(PACKAGE, root / "radsweep")  # with its bytecode: three processes import it
    shutil.copytree(TESTS / "support", root / "support")
    section = PAGE.read_text(encoding="utf-8").split("## A term\n")[1].split("\n## ")[0]
    blocks = [textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL)]
    loss, settings, field, table, case = blocks
    (root / "radsweep" / "objectives" / "mean_region.py").write_text(loss, encoding="utf-8")
    insert(root / "radsweep", "class Objective(", f"{settings}\n\n")
    insert(root / "radsweep", "    views: ViewCounts = ViewCounts()", textwrap.indent(field, "    "))
    imported, line = table.strip().split("\n\n")
    insert(root / "radsweep" / "objectives", '    "contrast": Term(', f"    {line}\n")
    insert(root / "radsweep" / "objectives", "class Term(NamedTuple):", f"{imported}\n\n\n")
    insert(root / "support", '    "infonce": {}', f"    {case}")
    return root


def run(root: Path, module: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"support.{module}", *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(root)}, cwd=root)


@pytest.fixture(scope="module")
def found(extended: Path) -> dict[str, Any]:
    processes = [run(extended, "new_term_process", extended)]
    processes += [run(extended, "synthetic", rank, 2, extended, CASE) for rank in range(2)]
    assert [process.wait(timeout=600) for process in processes] == [0, 0, 0]
    result: dict[str, Any] = json.loads((extended / "found.json").read_text())
    return result


def test_a_batch_and_a_model_have_what_the_term_needs_and_no_more(found: dict[str, Any]) -> None:
    assert found["projected"] == [True, False]  # regions, not words
    assert found["extra views"] == [0, False]


def test_a_frozen_tower_whose_regions_it_needs_runs_in_every_step_and_the_other_does_not(found: dict[str, Any]) -> None:
    frozen = found["frozen"]
    assert frozen["stages without"] == ["image features", "text features"]
    assert frozen["stages with"] == ["text features"]
    assert frozen["views"] == [1, 0, 0, 1]  # pixels, features of images, texts, features of texts
    with_tower, with_features = frozen["losses"]
    assert with_features == pytest.approx(with_tower, abs=1e-4)
    assert len(set(with_tower)) == len(with_tower) > 1  # it learns


def test_the_local_score_ranks_if_the_term_needs_words_too(found: dict[str, Any]) -> None:
    assert found["final"]
    assert not [name for name in found["final"] if "_local" in name]
    assert "test/text_to_image_local/recall_at_10" in found["final with words"]


def test_the_code_of_the_term_counts_for_trials_with_the_term_and_for_no_other(found: dict[str, Any]) -> None:
    (plain, with_term), (plain_after, with_term_after) = found["codes"]  # before and after a line of it changed
    assert plain == trial_code(synthetic_trial())  # of the package without the term
    assert with_term != plain
    assert plain_after == plain
    assert with_term_after not in (plain, with_term)


@pytest.mark.parametrize("other", ["3.npz", f"{CASE}.npz"], ids=["in three parts", "on two workers"])
def test_a_step_has_the_loss_and_every_gradient_of_one_worker_with_the_whole_batch(
    other: str, found: dict[str, Any], extended: Path
) -> None:
    loss = found["loss of 3"] if other == "3.npz" else json.loads((extended / f"{CASE}.json").read_text())
    assert loss == pytest.approx(found["loss of 1"], abs=1e-9)
    expected, gradients = np.load(extended / "1.npz"), np.load(extended / other)
    assert "model.region_projection.weight" in expected
    assert set(gradients) == set(expected)
    for name in expected:
        np.testing.assert_allclose(gradients[name], expected[name], rtol=1e-6, atol=1e-8, err_msg=name)
