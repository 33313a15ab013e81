"""`ray up` with jobs/machines.yaml over a real sshd. Two addresses of this machine are the head and a worker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SSHD = "/usr/sbin/sshd"
HEAD, WORKER = "127.0.0.1", "127.0.0.2"
TOKEN = "7" * 64

# Ray's head connects to its workers on port 22 as its own user, and writes into that user's home
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("RADSWEEP_DISPOSABLE"),
        reason="uses port 22 and writes into ~; set RADSWEEP_DISPOSABLE=1 in a container of its own, as root",
    ),
]


def free_port() -> int:
    """Return a free port of 20,000 or more; conftest may give a lower one, and those are for workers of Ray."""
    with socket.socket() as free:
        free.bind((HEAD, 0))
        return int(free.getsockname()[1])


@pytest.fixture
def home(short_folder: Path) -> Path:
    """Home of the laptop, with a token. The machines get the environment that the pip line of the file would make."""
    home = short_folder / "machines"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text(TOKEN)
    (home / ".ray" / "auth_token").chmod(0o600)
    there = Path.home() / "radsweep-env"
    there.unlink(missing_ok=True)
    there.symlink_to(sys.prefix)
    return home


@pytest.fixture
def key(home: Path) -> Iterator[Path]:
    """Private key for a real sshd on both addresses."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
    (home / "sshd_config").write_text(
        f"ListenAddress {HEAD}\nListenAddress {WORKER}\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\n"
        f"StrictModes no\nUsePAM no\nPidFile {home}/sshd.pid\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with (home / "sshd.log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(home / "sshd_config")], stderr=log)
    yield home / "user"
    server.terminate()
    server.wait(timeout=30)


@pytest.fixture
def file(home: Path, key: Path, tmp_path: Path) -> Path:
    """Fill in jobs/machines.yaml for two nodes on one machine, on which nothing may be installed or stopped."""
    text = (ROOT / "jobs" / "machines.yaml").read_text(encoding="utf-8")
    port = str(free_port())
    cluster = yaml.safe_load(text.replace("6379", port).replace("/mnt/radsweep", str(home / "store")))
    cluster["provider"] |= {"head_ip": HEAD, "worker_ips": [WORKER]}
    cluster["auth"] = {"ssh_user": "root", "ssh_private_key": str(key)}
    mounts = cluster["file_mounts"].items()
    cluster["file_mounts"] = {
        there: str(home / ".ray" / "auth_token") if here.startswith("~") else str(ROOT / here) for there, here in mounts
    }
    cluster["setup_commands"] = [line for line in cluster["setup_commands"] if "pip install" not in line]
    for kind, address in (("head", HEAD), ("worker", WORKER)):
        stop, start = cluster[f"{kind}_start_ray_commands"]
        assert stop.endswith("ray stop")
        own = f"--node-ip-address={address} --temp-dir={home}/{kind[0]} --num-cpus=2 --object-store-memory=200000000"
        own += f" --dashboard-agent-listen-port={free_port()}"  # by default, all Ray nodes of a machine use one port
        start = start.replace("--object-manager-port=8076", own)
        if kind == "head":
            start += f" --dashboard-port={free_port()}"
        cluster[f"{kind}_start_ray_commands"] = [start]
    (tmp_path / "machines.yaml").write_text(yaml.safe_dump(cluster))
    return tmp_path / "machines.yaml"


@pytest.fixture
def laptop(home: Path, file: Path, tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts a command as on a laptop; end all its processes afterwards."""
    own = {"HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_TMPDIR": str(home), "RAY_USAGE_STATS_ENABLED": "0"}
    started: list[subprocess.Popen[str]] = []

    def start(*command: str, **more: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", *command]
        log = (tmp_path / f"{len(started)}.log").open("w+")
        started.append(
            subprocess.Popen(argv, env=os.environ | own | more, stdout=log, stderr=subprocess.STDOUT, text=True)
        )
        started[-1].log = Path(log.name)  # type: ignore[attr-defined]
        return started[-1]

    yield start
    for each in started:
        each.kill()
    for process in Path("/proc").glob("[0-9]*"):  # the nodes; `ray stop` would also end those of others
        with suppress(OSError):
            if str(home).encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


def told(process: Any, seconds: float = 900) -> str:
    """Return the output of a command, which must succeed."""
    assert process.wait(seconds) == 0, process.log.read_text()[-4000:]
    return str(process.log.read_text())


def until(says: str, process: Any) -> str:
    for _ in range(1800):
        if says in (text := process.log.read_text()):
            return str(text)
        assert process.poll() is None, text[-4000:]
        time.sleep(0.2)
    raise AssertionError(process.log.read_text()[-4000:])


def nodes(port: int) -> int:
    """Number of nodes that have joined, as the dashboard reports through the tunnel."""
    asked = urllib.request.Request(
        f"http://localhost:{port}/nodes?view=summary", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with suppress(OSError), urllib.request.urlopen(asked, timeout=10) as answer:
        return sum(node["raylet"]["state"] == "ALIVE" for node in json.load(answer)["data"]["summary"])
    return 0


def test_a_trial_spans_both_machines_and_its_laptop_may_die(
    laptop: Any, file: Path, phantom: Path, tmp_path: Path, wait: Any
) -> None:
    told(laptop("ray.scripts.scripts", "up", str(file), "--yes", "--no-config-cache"))
    local = free_port()
    remote = yaml.safe_load(file.read_text())["head_start_ray_commands"][0].rpartition("=")[2]
    tunnel = ("dashboard", str(file), "--port", str(local), "--remote-port", remote, "--no-config-cache")
    laptop("ray.scripts.scripts", *tunnel)
    wait(lambda: nodes(local) == 2)
    experiment = tmp_path / "mine.yaml"
    experiment.write_text(
        f"experiment: mine\ndata: {{shards: {phantom}, pairs: 20}}\nmodel: {{image: {{size: 32}}}}\n"
        "train: {until: steps, steps: 40, batch_size: 10, workers: 2}\nevaluate: {every_steps: 5}\n"
        "ablation: {arms: {baseline: {}}}\nrun: {cpus_per_worker: 2}\n"  # more CPUs than one of the two nodes has
    )
    address = {"RAY_API_SERVER_ADDRESS": f"http://localhost:{local}"}
    submitted = laptop("radsweep", "submit", str(experiment), **address)
    job = until("submitted mine as job ", submitted).rpartition("submitted mine as job ")[2].split()[0]
    submitted.kill()
    assert job in told(laptop("radsweep", "list", **address))
    assert "1 of 1" in told(laptop("radsweep", "logs", job, **address))
    told(laptop("radsweep", "fetch", "mine", "--out", str(tmp_path / "report"), **address))
    assert (tmp_path / "report" / "index.html").is_file() or list((tmp_path / "report").glob("*.html"))
