from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import radsweep
from radsweep.data.importers.registry import IMPORTERS

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "ray", "mlflow", "transformers", "pandas", "pyarrow", "numpy")
COMMANDS = (
    "demo",
    "phantom",
    *(f"pack {name}" for name in IMPORTERS),
    "inspect",
    "sweep",
    "train",
    "submit",
    "evaluate",
    "report",
    "sync",
    "ui",
    "schema",
)
Run = Callable[..., Any]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_of_it(run: Run, command: str) -> None:
    ended = run(*command.split(), "--help")
    assert ended.code == 0
    assert ended.out.rsplit("Example:\n", 1)[1].strip().startswith(f"radsweep {command}")


def test_help_lists_every_command(run: Run) -> None:
    assert {command.split()[0] for command in COMMANDS} <= set(run("--help").out.split())


@pytest.mark.parametrize("command", ["demo", "inspect", "sweep", "train", "evaluate", "report", "pack csv"])
def test_a_command_that_prints_results_prints_them_as_json_too(run: Run, command: str) -> None:
    assert "--json" in run(*command.split(), "--help").out


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"radsweep {radsweep.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [("swep",), ("sweep",), ("phantom", "out", "--pairs", "many"), ("phantom", "out", "--pairs", "1"),
     ("inspect", "x", "--nonsense"), ("evaluate", "x"), ("evaluate", "x", "--data", "y", "--split", "train"),
     ("ui", "--port", "0"), ("submit", "x.yaml")],
)  # fmt: skip
def test_wrong_usage_exits_with_2_and_is_explained_on_standard_error(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("importer", IMPORTERS)
def test_pack_has_an_option_with_help_for_every_setting(run: Run, importer: str) -> None:
    shown = run("pack", importer, "--help").out
    for name, field in IMPORTERS[importer].settings.model_fields.items():
        assert re.search(rf"--{name.replace('_', '-')}\b", shown)
        assert field.description is not None
        assert field.description.split()[-1] in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["sweep", "--help"], 0), (["schema"], 0), (["sweep", "wrong.yaml"], 2), (["train", "none"], 2)],
)
def test_help_the_schema_and_a_wrong_experiment_need_no_heavy_import(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    (tmp_path / "wrong.yaml").write_text("experiment: t\ndata: {shards: x}\ntrain: {epochs: many}\n")
    script = (
        "import sys\nfrom radsweep.cli import main\n"
        f"sys.argv = ['radsweep', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        f"    print('heavy:', sorted({set(HEAVY)!r} & set(sys.modules)), 'code:', end.code or 0)\n"
        f"else:\n    print('heavy:', sorted({set(HEAVY)!r} & set(sys.modules)), 'code: 0')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == f"heavy: [] code: {code}"


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "radsweep", "--version"], capture_output=True, text=True, timeout=120)
    assert done.stdout == f"radsweep {radsweep.__version__}\n"
