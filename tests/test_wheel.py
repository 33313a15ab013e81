"""The wheel has everything that the package needs, and works without a checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import radsweep

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "platform" / "radsweep"
wheels = pytest.importorskip("hatchling.builders.wheel", reason="of the dev extra: pip install -e '.[full,dev]'")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel."""
    (file,) = wheels.WheelBuilder(str(ROOT)).build(
        directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]
    )
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(file) as wheel:
        wheel.extractall(folder)
    return folder


def test_the_wheel_has_every_file_of_the_package_and_every_ready_made_experiment_as_they_are(unpacked: Path) -> None:
    own = {file.relative_to(PACKAGE): file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".pyc"}
    experiments = {Path("search_spaces", file.name): file for file in (ROOT / "search_spaces").iterdir()}
    assert {Path("report/render/template.html.j2"), Path("report/render/style.css"), Path("py.typed")} <= own.keys()
    assert {Path("augment/languages/english.yaml"), Path("evaluation/prompt_files/chexpert.yaml")} <= own.keys()
    expected = own | experiments
    found = {file.relative_to(unpacked / "radsweep"): file for file in (unpacked / "radsweep").rglob("*")}
    assert {name for name, file in found.items() if file.is_file()} == expected.keys()
    assert [name for name, file in expected.items() if file.read_bytes() != found[name].read_bytes()] == []


WITHOUT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from radsweep.cli import main
main()
"""


def test_a_client_installation_reaches_a_cluster_and_says_what_else_to_install(unpacked: Path) -> None:
    """Only Ray is installed of the libraries that the extra `full` names."""
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    wants = [
        line.split(": ", 1)[1] for line in metadata.read_text(encoding="utf-8").splitlines() if "Requires-Dist" in line
    ]
    plain = {re.split(r"[^a-z-]", want)[0] for want in wants if "extra ==" not in want}
    assert plain == {"pydantic", "pyyaml", "rich", "typer"}
    heavy = {re.split(r"[^a-z-]", want)[0].replace("-", "_") for want in wants if "extra == 'full'" in want} - {"ray"}
    assert {"torch", "mlflow", "pandas"} < heavy
    absent = heavy | {"faiss", "sklearn", "PIL", "numpy"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        code = WITHOUT.replace("ABSENT", repr(absent))
        argv = [sys.executable, "-c", code, *command]
        return subprocess.run(argv, env=os.environ | {"PYTHONPATH": str(unpacked)}, capture_output=True, text=True)

    experiment = str(ROOT / "search_spaces" / "quickstart.yaml")
    nobody = ("--address", "http://127.0.0.1:9")
    for command in (("submit", experiment), ("list",), ("logs", "x"), ("stop", "x"), ("fetch", "x")):
        ended = run(*command, *nobody)
        assert (ended.returncode, "cannot be reached" in ended.stderr) == (2, True), ended.stderr[-2000:]
    assert "pip install 'radsweep[full]'" in run("sweep", experiment).stderr


def test_the_wheel_installs_only_the_package(unpacked: Path) -> None:
    beside = {path.name for path in unpacked.iterdir()}
    (metadata,) = beside - {"radsweep"}
    assert metadata.endswith(".dist-info")
    assert (unpacked / metadata / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_version_and_licence_are_the_same_everywhere(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    lines = metadata.read_text(encoding="utf-8").splitlines()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f"Version: {citation['version']}" in lines
    assert citation["version"] == radsweep.__version__
    assert f"License-Expression: {citation['license']}" in lines
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()[1]


def test_the_demo_of_an_unpacked_wheel_plans_the_quickstart(unpacked: Path, tmp_path: Path) -> None:
    script = (
        "import sys, radsweep\nfrom radsweep.cli import main\nprint(radsweep.__file__, file=sys.stderr)\n"
        "sys.argv = ['radsweep', 'demo', '--dry-run', '--json']\nmain()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RADSWEEP_STORE")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == str(unpacked / "radsweep" / "__init__.py")
    plan = json.loads(done.stdout)
    assert (plan["experiment"], plan["trials"]) == ("quickstart", 18)
    assert list(tmp_path.iterdir()) == []
