from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import ray.job_submission

from radsweep.cluster import submit as submission
from radsweep.cluster.job_files import ENTRY, stage
from radsweep.cluster.submit import submit
from radsweep.config.load import load_experiment, read_tree
from radsweep.errors import InputError

TOKEN = "5" * 32
EXPERIMENT = "experiment: tiny\ndata: {shards: 'phantom:easy'}\n"


class Dashboard(BaseHTTPRequestHandler):
    """Dashboard of a head with a token, as far as its version is asked for."""

    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        status = 401 if not given else 200 if given == f"Bearer {TOKEN}" else 403
        self.send_response(status if self.path == "/api/version" else 404)
        self.end_headers()
        if status == 200:
            self.wfile.write(json.dumps({"version": "4", "ray_version": ray.__version__}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Dashboard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Client:
    """Stand-in for Ray's client, with a job that prints two lines."""

    status = "SUCCEEDED"
    interrupt = False
    refusals: Iterable[str] = ()

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        assert headers == {"Authorization": f"Bearer {TOKEN}"}

    def submit_job(self, entrypoint: str, runtime_env: dict[str, Any], metadata: dict[str, str]) -> str:
        for refusal in self.refusals:
            raise RuntimeError(f"Request failed with status code 500: {refusal}.")
        folder = Path(runtime_env["working_dir"])
        assert (folder / "platform" / "radsweep" / "errors.py").is_file()
        assert read_tree(folder / shlex.split(entrypoint)[2])["experiment"] == "tiny"
        return "raysubmit_1"

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        yield "trial 1 of 2\n"
        if self.interrupt:
            signal.raise_signal(signal.SIGINT)
        yield "trial 2 of 2\n"

    def get_job_info(self, job: str) -> SimpleNamespace:
        return SimpleNamespace(status=ray.job_submission.JobStatus(self.status))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    class Fresh(Client):
        pass

    monkeypatch.setattr(ray.job_submission, "JobSubmissionClient", Fresh)
    return Fresh


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = Path("search_spaces/tiny.yaml")
    path.parent.mkdir()
    path.write_text(EXPERIMENT)
    return path


def sent_along(job: Path) -> list[str]:
    """The files of a staged job, without the package."""
    files = [path.relative_to(job) for path in job.rglob("*") if path.is_file()]
    return sorted(str(path) for path in files if path.parts[:2] != ("platform", "radsweep"))


def test_only_code_and_the_experiment_file_are_uploaded(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(b"a patient's image")
    job = tmp_path / "job"
    assert shlex.split(stage(job, experiment, [])) == ["python", "jobs/sweep.py", "search_spaces/tiny.yaml"]
    assert sent_along(job) == ["jobs/sweep.py", "search_spaces/tiny.yaml"]
    assert not list(job.rglob("__pycache__"))


def test_changes_are_written_into_the_file_since_ray_shows_a_jobs_command(experiment: Path, tmp_path: Path) -> None:
    changes = ["run.optuna_storage=postgresql://ann:s3cret@db/optuna", "train.learning_rate=5e-5", "data.pairs=20"]
    assert "s3cret" not in stage(tmp_path / "job", experiment, changes)
    staged = tmp_path / "job" / "search_spaces" / "tiny.yaml"
    assert load_experiment(staged) == load_experiment(experiment, changes)


def test_files_that_the_experiment_names_are_uploaded_too(experiment: Path, tmp_path: Path) -> None:
    for name in ("words.yaml", "other/words.yaml", "prompts.yml"):
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {name}")
    job, words = tmp_path / "job", "augment.text.words"
    arms = {"a": {words: "words.yaml"}, "b": {words: str(Path("other/words.yaml").absolute())}, "c": {words: "english"}}
    shared = "/shared by all nodes/words.yaml"
    changes = [
        f"ablation.arms={json.dumps(arms | {'d': {words: shared}})}",
        "evaluate.zero_shot.prompts=prompts.yml",
    ]
    stage(job, experiment, changes)
    tree = read_tree(job / "search_spaces" / "tiny.yaml")
    named = [tree["ablation"]["arms"][arm][words] for arm in "abcd"]
    assert [(job / file).read_text() for file in named[:2]] == ["# words.yaml", "# other/words.yaml"]
    assert named[2:] == ["english", shared]
    assert (job / tree["evaluate"]["zero_shot"]["prompts"]).read_text() == "# prompts.yml"
    assert len(sent_along(job)) == 5


def test_an_experiment_that_names_a_missing_file_is_not_submitted(experiment: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny\.yaml: evaluate\.zero_shot\.prompts: mine\.yaml does not exist"):
        stage(tmp_path / "job", experiment, ["evaluate.zero_shot.prompts=mine.yaml"])


@pytest.mark.parametrize("way", ["absolute", "upwards"])
def test_an_experiment_file_from_anywhere_is_copied_into_the_job(way: str, experiment: Path, tmp_path: Path) -> None:
    path = experiment.absolute() if way == "absolute" else Path("search_spaces/../search_spaces/tiny.yaml")
    assert stage(tmp_path / "job", path, []).endswith(" search_spaces/tiny.yaml")
    assert (tmp_path / "job" / "search_spaces" / "tiny.yaml").read_text() == EXPERIMENT


def test_the_staged_job_imports_the_staged_package(experiment: Path, tmp_path: Path) -> None:
    stage(tmp_path / "job", experiment, [])
    cli = tmp_path / "job" / "platform" / "radsweep" / "cli" / "__init__.py"
    cli.write_text("import sys\ndef main():\n    print(__file__, *sys.argv[1:])\n")
    (tmp_path / "job" / "jobs" / "sweep.py").write_text(ENTRY.format(command="sweep"))
    ran = subprocess.run(
        [sys.executable, "jobs/sweep.py", "tiny.yaml"], cwd=tmp_path / "job", capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [str(cli), "sweep", "tiny.yaml"]


def test_the_exit_code_is_the_jobs(
    client: type[Client], head: str, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(experiment, [], head, TOKEN) == 0
    assert capsys.readouterr().out == "trial 1 of 2\ntrial 2 of 2\n"
    client.status = "FAILED"
    assert submit(experiment, [], head, TOKEN) == 1
    client.status = "RUNNING"  # the log broke off
    assert submit(experiment, [], head, TOKEN) == 1


def test_a_head_that_has_just_started_is_asked_again(
    client: type[Client], head: str, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    client.refusals = iter(["No available agent to submit job"] * 2)
    assert submit(experiment, [], head, TOKEN) == 0
    assert waited == [5, 10]
    client.refusals = ["No available agent to submit job"] * 9
    with pytest.raises(InputError, match=r"does not accept the job: Request failed.*No available agent"):
        submit(experiment, [], head, TOKEN)
    client.refusals = ["The cluster is full"]
    with pytest.raises(InputError, match="The cluster is full"):
        submit(experiment, [], head, TOKEN)
    assert waited == [5, 10, 5, 10, 20, 30]


def test_an_interrupted_submit_detaches_and_says_how_to_follow_the_job_again(
    client: type[Client], head: str, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client.interrupt = True
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background may ignore Ctrl-C
    try:
        assert submit(experiment, [], head, TOKEN) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    told = capsys.readouterr().err
    assert "the job continues" in told
    assert f"radsweep logs raysubmit_1 --address {head}" in told
    assert TOKEN not in told


def test_the_token_is_found_where_ray_looks(
    client: type[Client], head: str, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(f"{TOKEN}\n")
    assert submit(experiment, [], head, follow=False) == 0
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    with pytest.raises(InputError, match="rejects the token"):
        submit(experiment, [], head)


@pytest.mark.parametrize(
    ("address", "token", "says"),
    [
        ("HEAD", "wrong", "rejects the token"),
        ("HEAD", None, "requires a token: put it into RAY_AUTH_TOKEN"),
        ("HEAD/elsewhere", TOKEN, "answers HTTP 404"),
        ("http://127.0.0.1:FREE", TOKEN, r"cannot be reached \(Connection refused\)"),
        ("127.0.0.1:8265", TOKEN, "expected the head's dashboard"),
        ("http://[:8265", TOKEN, "expected the head's dashboard"),
        ("http://127.0.0.1:abc", TOKEN, "cannot be reached"),
    ],
)
def test_a_head_that_cannot_be_used_is_reported_in_one_line(
    address: str, token: str | None, says: str, head: str, experiment: Path, client: type[Client]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening
        address = address.replace("HEAD", head).replace("FREE", str(free.getsockname()[1]))
        with pytest.raises(InputError, match=says) as raised:
            submit(experiment, [], address, token)
    assert len(str(raised.value).splitlines()) == 1
    assert address in str(raised.value)
    assert not token or token not in str(raised.value)


def test_an_address_with_a_password_is_refused_and_not_repeated(experiment: Path) -> None:
    with pytest.raises(InputError, match="must not contain credentials") as raised:
        submit(experiment, [], f"https://ann:{TOKEN}@localhost")
    assert TOKEN not in str(raised.value)


def test_a_wrong_experiment_file_is_not_submitted(experiment: Path, head: str) -> None:
    with pytest.raises(InputError, match=r"train\.epochs"):
        submit(experiment, ["train.epochs=0"], head, TOKEN)


@pytest.mark.parametrize(
    ("change", "warns"),
    [
        ("data.shards=my/shards", True),
        ("data.shards=s3://bucket/cxr", False),
        ("data.shards=phantom:easy", False),
        ("evaluate.sets=[packed]", True),
        ("model.text.backbone=packed", True),
        ("model.text.backbone=org/bert", False),
    ],
)
def test_a_relative_path_of_data_gives_a_warning(
    change: str, warns: bool, client: type[Client], head: str, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("packed").mkdir()
    submit(experiment, [change], head, TOKEN)
    assert ("is read on the cluster" in capsys.readouterr().err) is warns


WHERE = """
import sys
from pathlib import Path

import radsweep
import ray
from radsweep.cluster.connect import connect

connect()


@ray.remote
def origins() -> tuple[str, str]:
    import platform

    import radsweep

    return radsweep.__file__, platform.system()


worker, system = ray.get(origins.remote())
assert system, "platform is Python's own"
assert all("/runtime_resources/" in path for path in (radsweep.__file__, worker)), (radsweep.__file__, worker)
print("driver and worker run what was submitted")
"""


class Head(NamedTuple):
    dashboard: str
    address: str  # for RAY_ADDRESS


@pytest.fixture
def head_with_token() -> Iterator[Head]:
    """`ray start --head` with a token, in an environment that has another radsweep installed."""
    ports = []
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryDirectory(prefix="rs", dir="/tmp") as folder:  # short: Unix sockets allow 107 bytes
        command = ["-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2", f"--temp-dir={folder}"]
        command += [f"--port={ports[0]}", f"--dashboard-port={ports[1]}", "--object-store-memory=200000000"]
        command.append(f"--dashboard-agent-listen-port={ports[2]}")  # otherwise all Rays of a machine share one
        python = str(Path(sys.executable).parent)
        started = subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | own | {"PATH": f"{python}:{os.environ['PATH']}"},
            stdout=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{ports[1]}"
            _wait_for_answer(f"{address}/api/authentication_mode")
            yield Head(address, f"127.0.0.1:{ports[0]}")
        finally:
            started.terminate()  # with --block it ends the processes that it started
            started.wait()


@pytest.fixture
def real_head(head_with_token: Head) -> str:
    return head_with_token.dashboard


def _wait_for_answer(url: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


@pytest.mark.slow
def test_a_token_protected_head_runs_the_submitted_code_on_driver_and_workers(
    real_head: str, experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def staged(folder: Path, *rest: Any) -> str:
        command = stage(folder, *rest)
        (folder / "jobs" / "sweep.py").write_text(WHERE)
        return command

    monkeypatch.setattr(submission, "stage", staged)
    assert submit(experiment, [], real_head, TOKEN) == 0
    assert "driver and worker run what was submitted" in capsys.readouterr().out
    with pytest.raises(InputError, match="rejects the token"):
        submit(experiment, [], real_head, "wrong")


@pytest.mark.slow
def test_doctor_reports_a_missing_and_a_wrong_token(head_with_token: Head, tmp_path: Path, phantom: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"experiment: mine\ndata: {{shards: {phantom}, pairs: 20}}\nmodel: {{image: {{size: 32}}}}\n"
        f"train: {{batch_size: 10}}\nrun: {{slots: 1, store: {tmp_path / 'store'}}}\n"
    )
    for token, remedy in {"": "no token is set", "another": "that this is its address"}.items():
        own = {"RAY_ADDRESS": head_with_token.address, "RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
        own |= {"RAY_AUTH_TOKEN": token} if token else {}
        argv = [sys.executable, "-m", "radsweep", "doctor", str(file), "--json"]
        ended = subprocess.run(argv, env=os.environ | own, capture_output=True, text=True, timeout=300)
        missing = [one for one in json.loads(ended.stdout) if not one["fine"]]
        assert [one["what"] for one in missing] == ["Ray"], ended.stdout
        assert remedy in missing[0]["remedy"], missing
        assert ended.returncode == 1


def laptop(address: str, *command: str) -> subprocess.CompletedProcess[str]:
    own = os.environ | {"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": "token", "RAY_API_SERVER_ADDRESS": address}
    argv = [sys.executable, "-m", "radsweep", *command]
    return subprocess.run(argv, env=own, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_a_laptop_that_dies_finds_its_sweep_again_stops_it_resumes_it_and_fetches_the_report(
    real_head: str, phantom: Path, tmp_path: Path, wait: Any
) -> None:
    store, file, log = tmp_path / "store", tmp_path / "mine.yaml", tmp_path / "log"
    file.write_text(
        f"experiment: mine\ndata: {{shards: {phantom}, pairs: 20}}\nmodel: {{image: {{size: 32}}}}\n"
        "train: {until: steps, steps: 400, batch_size: 10, learning_rate: 1e-3}\nevaluate: {every_steps: 2}\n"
        f"ablation: {{arms: {{baseline: {{}}}}}}\nrun: {{slots: 1, store: {store}}}\n"
    )
    own = os.environ | {"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": "token"}
    with log.open("w") as out:
        argv = [sys.executable, "-m", "radsweep", "submit", str(file), "--address", real_head]
        first = subprocess.Popen(argv, env=own, stdout=out, stderr=out)
        wait(lambda: "Running 1 of 1 trials" in log.read_text())
        first.kill()
        first.wait()
    wait(lambda: any(store.glob("sweeps/*/progress.json")))
    (progress,) = store.glob("sweeps/*/progress.json")
    wait(lambda: any(each["step"] for each in json.loads(progress.read_text())["running"].values()))  # it validated
    (running,) = json.loads(laptop(real_head, "list", "--json").stdout)
    assert (running["experiment"], running["status"]) == ("mine", "running")
    assert "Running 1 of 1 trials" in laptop(real_head, "logs", "mine", "--no-follow").stdout
    stopped = laptop(real_head, "stop", "mine")
    assert stopped.returncode == 0, stopped.stderr
    ended = laptop(real_head, "logs", running["job"])
    assert "Interrupted (SIGTERM)" in ended.stdout
    assert ended.returncode == 1
    (state,) = store.glob("cells/*/resume/state.json")
    assert json.loads(state.read_text())
    again = laptop(real_head, "submit", str(file), "--resume", "--set", "run.slots=1")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert "1 of 1  finished" in again.stdout
    fetched = laptop(real_head, "fetch", "mine", "--out", str(tmp_path / "report"), "--store", str(store))
    assert fetched.returncode == 0, fetched.stderr
    assert Path(fetched.stdout.strip()).read_text() == next(store.glob("sweeps/*/report/report.html")).read_text()
