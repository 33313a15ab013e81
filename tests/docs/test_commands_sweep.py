"""Commands of README and docs that train run as they are written, but short, on a real Ray in one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.pages import ROOT
from support.typed import TOLD

pytestmark = pytest.mark.slow

SHORT = ["train.until=steps", "train.steps=2", "train.batch_size=32", "model.dim=16"]
IN_TURN = ("phantom", "sweep", "train", "status", "report", "evaluate")  # a report is of what was swept
# `demo` and `ui` run until they are done or stopped and have tests of their own. No hub can be reached here.
HUB = "openai/clip-vit-base-patch32"


def written_on_the_pages() -> list[tuple[str, ...]]:
    typed = dict.fromkeys(each.words for each in TOLD if not each.mention and HUB not in each.words)
    mine = [words for words in typed if words[0] in IN_TURN and "--dry-run" not in words]
    return sorted(mine, key=lambda words: IN_TURN.index(words[0]))


def test_commands_that_train_succeed_one_after_the_other(short_folder: Path, server: Any) -> None:
    folder = short_folder / "typed"
    folder.mkdir()
    (folder / "search_spaces").symlink_to(ROOT / "search_spaces")
    (folder / "my-shards").symlink_to("my-phantom")
    own = {"PYTHONPATH": str(ROOT / "platform"), "RADSWEEP_STORE": "store", "MLFLOW_TRACKING_URI": server.uri}
    environment = os.environ | own | {"HOME": str(folder), "RAY_TMPDIR": str(folder / "r")}

    def run(*words: str) -> None:
        short = [part for change in SHORT for part in ("--set", change)] if words[0] in ("sweep", "train") else []
        argv = [sys.executable, "-m", "radsweep", *words, *short]
        ended = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
        assert ended.returncode == 0, f"{words}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
        assert ended.stdout.strip()
        print(" ".join(words))

    commands = written_on_the_pages()
    assert {words[0] for words in commands} == set(IN_TURN)
    for words in commands:
        if words[0] == "report" and "more-arms" in words:
            for name in ("low-data", "more-arms"):
                run("sweep", "search_spaces/quickstart.yaml", "--set", f"experiment={name}")
        winner = next(iter(folder.glob("store/sweeps/quickstart-*/report/winner")), "")
        known = {"STORE/sweeps/ID/report/winner": str(winner), "http://HOST:5000": server.uri}
        run(*(known.get(word, word) for word in words))
    assert list(folder.glob("comparison/*.html"))
