from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from radsweep.errors import InputError
from radsweep.tracking.address import artifact_root, prepare, sanitise_uri, tracking_uri

OPEN = """
import sqlite3, sys
from pathlib import Path
from radsweep.tracking.address import prepare
path = Path(sys.argv[1], "mlflow.db")
prepare(f"sqlite:///{path}", path.parent)
print(*sqlite3.connect(path).execute("SELECT name FROM experiments").fetchone())
"""


def test_four_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    openers = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    results = [opener.communicate() for opener in openers]
    assert results == [(b"Default\n", b"")] * 4
    assert not list(tmp_path.glob(".*")), "no unfinished file"


def test_a_creation_that_was_killed_is_started_again(tmp_path: Path, template: Path) -> None:
    half = tmp_path / ".mlflow.db.0123abcd"
    half.write_bytes(template.read_bytes()[:4096])
    prepare(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("SELECT name FROM experiments").fetchall() == [("Default",)]
    assert not half.exists()


def test_the_store_holds_database_and_artifacts_whatever_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = tracking_uri(None, tmp_path)
    assert uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert artifact_root(uri, tmp_path) == f"file://{tmp_path}/mlartifacts"
    assert artifact_root("http://tracker:5000", tmp_path) is None


def test_a_given_address_overrides_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert tracking_uri(None, tmp_path) == "http://tracker:5000"
    assert tracking_uri("https://other", tmp_path) == "https://other"
    monkeypatch.chdir(tmp_path)
    assert tracking_uri("sqlite:///here.db", tmp_path / "store") == f"sqlite:///{tmp_path}/here.db"


@pytest.mark.parametrize("uri", ["./mlruns", "file:///runs", "/runs"])
def test_a_folder_is_refused_with_what_to_give_instead(uri: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sqlite:///PATH"):
        tracking_uri(uri, tmp_path)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://ann:s3cret@host:5000/base?token=s3cret", "https://host:5000/base"),
        ("postgresql+psycopg2://ann:s3@cret@db/mlflow?password=s3cret", "postgresql+psycopg2://db/mlflow"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("sqlite:////home/ann@ward/mlflow.db", "sqlite:////home/ann@ward/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
        ("http://host?token=s3cret", "http://host"),
        ("mysql://ann:[s3cret@host/mlflow", "mysql://host/mlflow"),
        *((f"postgresql://ann:s3{sign}cret@host/mlflow", "postgresql://...") for sign in "/?#"),
    ],
)
def test_addresses_are_printed_without_secrets(uri: str, shown: str) -> None:
    assert sanitise_uri(uri) == shown
