"""Code of docs/python.md runs as it is written, block after block in one namespace, on small data, with Ray."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

import radsweep as rs
from radsweep.config.load import read_tree, written
from support.own_data import own_data
from support.pages import ROOT, blocks

SHORT = ["train.until=steps", "train.steps=2", "train.batch_size=16", "evaluate.every_steps=2", "run.slots=1",
         "model.dim=16", "model.image.size=32", "ablation.pairs=[20, 40]", "ablation.seeds=1"]  # fmt: skip


@pytest.fixture
def folder(phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a current folder with the files that the page names; the experiment file is made short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADSWEEP_STORE", str(tmp_path / "store"))
    (tmp_path / "my-shards").symlink_to(phantom)
    (tmp_path / "search_spaces").mkdir()
    short = read_tree(ROOT / "search_spaces" / "quickstart.yaml", SHORT)
    (tmp_path / "search_spaces" / "quickstart.yaml").write_text(written(short))
    own_data(tmp_path / "ROOT")
    (tmp_path / "a.png").symlink_to("ROOT/0.png")
    (tmp_path / "b.dcm").symlink_to(str(get_testdata_file("CT_small.dcm", download=False)))
    return tmp_path


def test_the_page_runs_and_so_does_the_example_of_run(
    ray_session: None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = [block for block in blocks() if block.place.startswith("docs/python.md:") and block.language == "python"]
    assert len(code) > 7
    assert code[0].text.count("\n") < 20
    named: dict[str, Any] = {}
    for block in code:
        exec(compile(block.text, block.place, "exec"), named)
    printed = capsys.readouterr().out
    assert "search_spaces/quickstart.yaml: train.epoch: unknown key; did you mean train.epochs?" in printed
    assert (named["sweep"].status, named["plan"].refused) == ("finished", ())
    assert len(named["effects"]) == 4
    assert named["trials"]["status"].tolist() == ["finished"] * 6
    assert named["image"].shape == (1, 16)
    assert named["likely"].sum(axis=1) == pytest.approx([1, 1])
    assert named["again"].train.steps == 2
    assert rs.inspect(named["shards"]).studies["pairs"]["train"] == 14

    tree = read_tree("search_spaces/quickstart.yaml")  # its trials are in the store now
    arms = {arm: tree["ablation"]["arms"][arm] for arm in ("baseline", "sentences")}
    ablation = tree["ablation"] | {"arms": arms}
    small = tree | {"experiment": "small", "data": {"shards": "my-shards"}, "ablation": ablation}
    (folder / "experiment.yaml").write_text(written(small))
    (example,) = doctest.DocTestFinder(recurse=False).find(rs.run, "rs.run", module=False, globs={})  # type: ignore[arg-type]
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not runner.run(example, out=told.append).failed, "".join(told)
    assert rs.open_sweep("small").record.cost["trials_reused"] == 4
