"""Sweeps with an injected fault end with the table of an undisturbed one. `make chaos`; `-s` prints them.

Each fault comes at a random moment; `RADSWEEP_CHAOS_SEED` repeats the moments of a run, whose seed is printed.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest

from support.harness import INJECTED, PLATFORM, SLOT, WORKER, Driver, copy_template, kill

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("RADSWEEP_CHAOS_SEED") or random.SystemRandom().randrange(10_000))
ARMS: dict[str, Any] = {
    "baseline": {},
    "sentences": {"augment.text.sentences": "sample"},
    "adapted": {"adapt.text.method": "mlm"},
}


def experiment(shards: Path) -> dict[str, Any]:
    return {
        "experiment": "chaos",
        "data": {"shards": str(shards), "pairs": 24},
        "model": {"image": {"size": 32}, "dim": 32},
        "adapt": {"text": {"steps": 150, "batch_size": 16}},
        "train": {"until": "steps", "steps": 240, "batch_size": 8, "learning_rate": 1e-3},
        "evaluate": {"every_steps": 12},
        "ablation": {"arms": ARMS, "seeds": 2},
        "run": {"slots": 2},
    }


def search(shards: Path) -> dict[str, Any]:
    space = {"train.learning_rate": {"loguniform": [1e-5, 1e-2]}, "objective.local.weight": {"uniform": [0, 1]}}
    how = {
        "algorithm": "tpe",
        "trials": 6,
        "scheduler": "asha",
        "grace_period": 2,
        "reduction_factor": 2,
        "space": space,
    }
    return {k: v for k, v in experiment(shards).items() if k != "ablation"} | {"experiment": "asha", "search": how}


def streamed(shards: Path) -> dict[str, Any]:
    tree = experiment(shards)
    tree["data"] = tree["data"] | {"source": "streamed"}
    tree["train"] = tree["train"] | {"steps": 9}
    tree["evaluate"] = {"every_steps": 3}
    return tree | {"ablation": {"arms": {"baseline": {}, "sentences": ARMS["sentences"]}}, "run": {"slots": 1}}


@pytest.fixture(scope="module")
def shards(short_folder: Path) -> Path:
    from radsweep.data.phantom import write_phantom

    folder = short_folder / "chaos-phantom"
    write_phantom(folder, pairs=40, size=32, validation=40, test=40, unpaired_images=0, unpaired_reports=20)
    return folder


@pytest.fixture(scope="module")
def undisturbed(short_folder: Path, shards: Path, template: Path) -> Iterator[Callable[[str], dict[str, Any]]]:
    """The table of the undisturbed ablation, or of the streamed one; run once."""
    tables: dict[str, dict[str, Any]] = {}
    drivers: list[Driver] = []

    def table(kind: str) -> dict[str, Any]:
        if kind not in tables:
            driver = Driver(
                short_folder / f"c-{kind}", {"cached": experiment, "streamed": streamed}[kind](shards), SEED
            )
            copy_template(template, driver.store.root)
            drivers.append(driver)
            driver.start()
            assert driver.wait() == 0, driver.log_text()[-3000:]
            driver.check_mlflow()
            tables[kind] = driver.table()
        return tables[kind]

    yield table
    for driver in drivers:
        driver.kill()


@pytest.fixture
def hurt(short_folder: Path, shards: Path, template: Path, request: pytest.FixtureRequest) -> Iterator[Driver]:
    number = abs(hash(request.node.name)) % 10_000
    name = f"h-{number}-{time.time_ns() % 10_000}"
    driver = Driver(short_folder / name, experiment(shards), SEED * 1000 + sum(map(ord, request.node.name)))
    copy_template(template, driver.store.root)
    try:
        yield driver
    finally:
        driver.kill()


# faults: each disturbs a sweep, brings it to its end, and returns the moment at which it came


def worker_before(d: Driver) -> str:
    folder = d.trial_begins()
    kill(d.until("its worker", lambda: d.worker_at(folder)))
    assert d.wait() == 0
    return "before the first validation"


def worker_during(d: Driver) -> str:
    folder = d.during_a_trial()
    kill(d.worker_at(folder) or d.random.choice(d.processes(WORKER)))
    assert d.wait() == 0
    return "during a trial"


def worker_record(d: Driver) -> str:
    folder = d.at_a_record()
    kill(d.worker_at(folder) or d.random.choice(d.processes(WORKER)))
    assert d.wait() == 0
    return "at a record"


def slot_before(d: Driver) -> str:
    d.trial_begins()
    kill(d.random.choice(d.until("a slot", lambda: d.processes(SLOT))))
    assert d.wait() == 0
    return "before the first validation"


def slot_during(d: Driver) -> str:
    d.during_a_trial()
    kill(d.random.choice(d.until("a slot", lambda: d.processes(SLOT))))
    assert d.wait() == 0
    return "during a trial"


def slot_stage(d: Driver) -> str:
    d.at_a_stage()
    kill(d.until("a slot", lambda: d.processes(SLOT))[0])
    assert d.wait() == 0
    return "at the adaptation stage"


def driver_before(d: Driver) -> str:
    d.trial_begins()
    d.kill()
    d.resume()
    return "before the first validation"


def driver_during(d: Driver) -> str:
    d.during_a_trial()
    d.kill()
    d.resume()
    return "during a trial"


def driver_record(d: Driver) -> str:
    d.at_a_record()
    d.kill()
    d.resume()
    return "at a record"


def nan_loss(d: Driver) -> str:
    step = d.random.randrange(5, 200)
    d.start(**injected(d, f"nan:{step}"))
    assert d.wait() == 0
    (failed,) = [record for record in d.records().values() if record.status == "failed"]
    assert f"the loss is nan at step {step}" in str(failed.error)
    assert len(d.records()) == 6  # the others continued
    d.resume()
    return f"step {step} of one trial"


def out_of_memory(d: Driver) -> str:
    folder = d.during_a_trial()
    worker = d.until("its worker", lambda: d.worker_at(folder) or d.random.choice(d.processes(WORKER)))
    how = starve(worker.pid)
    assert d.wait() == 0
    if any(record.status != "finished" for record in d.records().values()):
        d.resume()
    return f"during a trial, {how}"


def terminated(d: Driver) -> str:
    d.during_a_trial()
    assert d.process is not None
    d.process.send_signal(signal.SIGTERM)
    assert d.wait() == 1
    assert "Interrupted (SIGTERM)" in d.log_text()
    assert d.sweep().status == "interrupted"
    paused = [path.parents[1].name for path in d.store.root.glob("cells/*/resume/state.json")]
    assert paused, d.log_text()[-3000:]
    again = time.time()
    d.resume()
    for key in paused:  # the first step was before: it resumed from its checkpoint
        assert d.records()[key].timestamps["first_step"] < again
    return f"during a trial, {len(paused)} checkpoints"


def driver_writing(d: Driver) -> str:
    number = d.random.randrange(3, 20)
    d.start(**injected(d, f"rename:{number}"))
    assert d.wait() == -signal.SIGKILL
    d.kill()
    d.resume()
    return f"between file {number} and its rename"


def two_drivers(d: Driver) -> str:
    d.during_a_trial()
    second = subprocess.run(
        [sys.executable, "-m", "radsweep", "sweep", str(d.file), *d.random.choice([["--resume"], []])],
        env=d.environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert second.returncode == 2, second.stderr
    assert "has been running this experiment since" in second.stderr
    assert d.wait() == 0
    return "during a trial, refused"


def two_sweeps(d: Driver) -> str:
    """Run two experiments with the same cells at once."""
    twin = Driver(d.folder / "t", d.tree | {"experiment": "twin"}, 0)
    twin.store, twin.environment["RADSWEEP_STORE"] = d.store, d.environment["RADSWEEP_STORE"]
    d.trial_begins()
    try:
        twin.start()
        assert (twin.wait(), d.wait()) == (0, 0), twin.log_text()[-3000:]
    finally:
        twin.kill()
    first, second = (next(s for s in d.store.sweeps() if s.name == name) for name in ("chaos", "twin"))
    assert [cell.key for cell in first.cells] == [cell.key for cell in second.cells]
    shutil.rmtree(d.store.sweep_folder(second.id))
    return "from its first trial"


def disk_full(d: Driver) -> str:
    d.during_a_trial()
    filler = d.store.root / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"\0" * 4096)
            file.flush()
    code = d.wait()
    assert code == 1, d.log_text()[-3000:]
    assert "no space left" in d.log_text().lower() or "No space left" in d.log_text()
    assert "Traceback" not in d.log_text()
    filler.unlink()
    d.resume()
    return "during a trial"


def truncated_shard(d: Driver) -> str:
    shard = own_shard(d)
    whole = shard.read_bytes()
    shard.write_bytes(whole[: d.random.randrange(len(whole))])
    d.start()
    assert d.wait() == 2
    assert "shard pairs/train" in d.log_text()
    assert not list(d.store.root.glob("sweeps/*"))
    damaged = bytearray(whole)
    damaged[d.random.randrange(len(whole))] ^= 255  # the same size
    shard.write_bytes(damaged)
    d.start()
    assert d.wait() == 2
    assert d.log_text().count("shard pairs/train") == 2
    shard.write_bytes(whole)
    d.start()
    assert d.wait() == 0
    return "before the start, named"


def missing_shard(d: Driver) -> str:
    """Remove a shard of a streamed sweep while it runs."""
    d.tree = streamed(Path(d.tree["data"]["shards"]))
    shard = own_shard(d)
    d.start()
    d.until("a cell", lambda: d.under_way())
    kept = shard.rename(shard.parent.parent / "kept")
    d.wait()
    failed = [record for record in d.records().values() if record.status == "failed"]
    assert failed
    assert all(shard.name in str(record.error) for record in failed), [record.error for record in failed]
    kept.rename(shard)
    d.resume()
    return "during a streamed trial, named"


FAULTS = [
    worker_before, worker_during, worker_record, slot_before, slot_during, slot_stage, driver_before, driver_during,
    driver_record, nan_loss, out_of_memory, terminated, driver_writing, two_drivers, two_sweeps, truncated_shard,
    missing_shard,
]  # fmt: skip
STARTED_BY_ITSELF = (nan_loss, driver_writing, truncated_shard, missing_shard)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_hurt_ablation_ends_in_the_same_table(
    fault: Callable[[Driver], str], hurt: Driver, undisturbed: Callable[[str], dict[str, Any]]
) -> None:
    expected = undisturbed("streamed" if fault is missing_shard else "cached")
    with reported(fault.__name__) as say:
        if fault not in STARTED_BY_ITSELF:
            hurt.start()
        say(fault(hurt))
        same(hurt.table(), expected)
        hurt.check_mlflow()


def test_a_full_disk(hurt: Driver, undisturbed: Callable[[str], dict[str, Any]], template: Path) -> None:
    expected = undisturbed("cached")
    with mounted(hurt.store.root, "64m"), reported("disk_full") as say:
        copy_template(template, hurt.store.root)
        hurt.start()
        say(disk_full(hurt))
        same(hurt.table(), expected)
        hurt.check_mlflow()


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_lost_mlflow_server(
    moment: str, hurt: Driver, server: Any, undisturbed: Callable[[str], dict[str, Any]]
) -> None:
    expected = undisturbed("cached")
    hurt.tree["experiment"] = f"chaos-{moment}"
    hurt.tree["run"] = hurt.tree["run"] | {"tracking_uri": server.uri}
    hurt.write()
    with reported(f"mlflow_{moment}") as say:
        if moment == "before":
            server.kill()
        hurt.start()
        hurt.during_a_trial()
        if moment == "during":
            server.kill()
            time.sleep(hurt.random.random() * 5)
        if moment == "after":
            hurt.until("the last record", lambda: len(hurt.records()) == 6)
            server.kill()
            assert hurt.wait() == 0
            assert "radsweep sync" in hurt.log_text()
        server.start()
        assert hurt.wait() == 0
        if left := list(hurt.store.root.glob("spool/*/*.json")):
            command = [sys.executable, "-m", "radsweep", "sync", "--store", str(hurt.store.root)]
            subprocess.run(command, env=hurt.environment, check=True, timeout=600)
        say(f"{moment} the trials, {len(left)} entries sent later")
        assert not list(hurt.store.root.glob("spool/*/*.json"))
        same(hurt.table(), expected, named=False)
        hurt.check_mlflow(server.uri)


def test_a_lost_node(hurt: Driver, undisturbed: Callable[[str], dict[str, Any]]) -> None:
    from ray.cluster_utils import Cluster

    expected = undisturbed("cached")
    with socket.socket() as free:  # the dashboard's own port may be another Ray's
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": port, "object_store_memory": 200 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [cluster.add_node(num_cpus=2, object_store_memory=200 * 2**20) for _ in range(2)]
        with reported("node") as say:
            hurt.start(RAY_ADDRESS=cluster.address)
            hurt.during_a_trial()
            cluster.remove_node(hurt.random.choice(nodes), allow_graceful=False)
            assert hurt.wait() == 0, hurt.log_text()[-3000:]
            say("during a trial")
            same(hurt.table(), expected)
            hurt.check_mlflow()
    finally:
        cluster.shutdown()


@pytest.mark.parametrize("what", ["slot", "driver"])
def test_an_asha_search_keeps_its_counts(what: str, hurt: Driver, shards: Path) -> None:
    hurt.tree = search(shards)
    hurt.write()
    with reported(f"asha_{what}") as say:
        hurt.start()
        hurt.during_a_trial()
        if what == "slot":
            kill(hurt.random.choice(hurt.until("a slot", lambda: hurt.processes(SLOT))))
            assert hurt.wait() == 0
        else:
            hurt.kill()
            hurt.resume()
        say("during a trial")
        sweep, records = hurt.sweep(), hurt.records()
        assert len(sweep.cells) == len({cell.key for cell in sweep.cells}) == 6
        assert {cell.key for cell in sweep.cells} <= set(records)
        study = optuna.load_study(
            study_name=sweep.id, storage=f"sqlite:///{hurt.store.sweep_folder(sweep.id) / 'optuna.db'}"
        )
        counted = [trial for trial in study.trials if "interrupted" not in trial.user_attrs]
        assert len(counted) == 6
        assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "PRUNED", "FAIL"}
        hurt.check_mlflow()


def injected(driver: Driver, what: str) -> dict[str, str]:
    path = f"{PLATFORM}{os.pathsep}{INJECTED}"
    return {"RADSWEEP_CHAOS": what, "RADSWEEP_CHAOS_DONE": str(driver.folder / "done"), "PYTHONPATH": path}


def own_shard(driver: Driver) -> Path:
    """Copy the data set for the experiment; returns a training shard of the copy."""
    copy = driver.folder / "shards"
    shutil.copytree(driver.tree["data"]["shards"], copy)
    driver.tree["data"] = driver.tree["data"] | {"shards": str(copy)}
    driver.write()
    return driver.random.choice(sorted(copy.glob("pairs/train-*.parquet")))


def starve(pid: int) -> str:
    """Leave a process no memory: by the kernel's own killer if a memory cgroup can be created."""
    group = Path("/sys/fs/cgroup/memory") / f"radsweep-chaos-{pid}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("2M")
        (group / "cgroup.procs").write_text(str(pid))
        return "by the kernel"
    except OSError:
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (used, used))
        return "by a limit on its address space"


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """Mount a separate file system of this size."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextmanager
def reported(fault: str) -> Iterator[Callable[[str], None]]:
    """Print one line: fault, moment, outcome, seconds."""
    began, moment = time.monotonic(), ["no moment"]
    outcome = "FAILED"
    try:
        yield lambda said: moment.__setitem__(0, said)
        outcome = "same table" if not fault.startswith("asha") else "all counted"
    finally:
        line = f"chaos seed {SEED}  {fault:<16}  {moment[0]:<44}  {outcome:<11}  {time.monotonic() - began:5.0f} s"
        print(f"\n{line}", flush=True)


def same(table: dict[str, Any], expected: dict[str, Any], named: bool = True) -> None:
    for part in expected if named else ("status", "cells", "records"):
        assert table[part] == expected[part], part
