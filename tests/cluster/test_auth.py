from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from radsweep.cluster.auth import require_token


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
    return tmp_path


def test_a_local_ray_asks_for_a_token_that_only_its_owner_can_read(home: Path) -> None:
    require_token()
    file = home / ".ray" / "auth_token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text()) == 64


def test_if_no_home_is_set_it_is_passed_to_the_processes_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers and cron jobs: Python finds the folder by the user's id, Ray's C++ code does not."""
    monkeypatch.setattr(Path, "home", lambda: home)
    home = Path(os.environ["HOME"])
    monkeypatch.delenv("HOME")
    require_token()
    assert (Path(os.environ["HOME"]) / ".ray" / "auth_token").is_file()


LOCAL = """
import radsweep.sweep.engine
from radsweep.cluster.connect import connect
connect()
import ray, subprocess, sys
address = ray.get_runtime_context().gcs_address
join = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False); print('joined')"
for mode in ("token", "disabled"):
    import os
    ran = subprocess.run([sys.executable, "-c", join, address], env=os.environ | {"RAY_AUTH_MODE": mode},
                         capture_output=True, text=True)
    print(mode, "joined" in ran.stdout)
from pathlib import Path
file, home = Path(os.environ["HOME"], "mine.yaml"), Path(os.environ["HOME"], "another")
home.mkdir()
file.write_text("experiment: mine\\ndata: {shards: phantom:plain}\\nrun: {store: " + str(home) + "}\\n")
ran = subprocess.run([sys.executable, "-m", "radsweep", "doctor", str(file)],
                     env=os.environ | {"HOME": str(home), "RAY_ADDRESS": address}, capture_output=True, text=True)
print("doctor", "no token is set" in ran.stdout, "resources" in ran.stdout)
print(ran.stdout, ran.stderr[-2000:], file=sys.stderr)
"""


def test_a_ray_that_a_sweep_starts_refuses_connections_without_the_token(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    ran = subprocess.run([sys.executable, "-c", LOCAL], capture_output=True, text=True, timeout=240)
    told = ["token True", "disabled False", "doctor True False"]
    assert ran.stdout.splitlines()[-3:] == told, ran.stderr[-4000:]


def test_an_existing_token_is_kept_and_made_unreadable_for_others(home: Path) -> None:
    file = home / ".ray" / "auth_token"
    file.parent.mkdir()
    file.write_text("mine")
    file.chmod(0o644)
    require_token()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("mine", 0o600)


def test_a_mode_that_is_set_already_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    require_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert not (home / ".ray").exists()
