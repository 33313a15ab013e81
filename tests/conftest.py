"""Fixtures: one Ray and one small phantom data set for the session, and a real MLflow server that may be killed.

The settings come before anything imports Ray or NumPy.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# One thread in each process: the data are tiny, and threads of two processes on two cores wait for one another.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import radsweep.sweep  # noqa: E402, F401 - sets what Ray reads when it is imported

for _variable in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RADSWEEP_STORE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_variable, None)
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


# Of the S3 server that `object_store` starts: Ray's workers have the environment in which Ray was started.
S3 = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "qzsecret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests on the session's Ray: `make test` runs them in one process and the others in another."""
    for item in items:
        if "ray_session" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ray)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A temporary folder with a short path: Unix sockets allow 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def phantom(short_folder: Path) -> Path:
    """A packed phantom: 80 training, 40 validation and 40 test pairs of 32 pixels, nothing unpaired. Read-only."""
    from radsweep.data.phantom import write_phantom

    folder = short_folder / "phantom"
    write_phantom(folder, pairs=80, size=32, validation=40, test=40, unpaired_images=0, unpaired_reports=0)
    return folder


@pytest.fixture
def real() -> Callable[[str], Path]:
    """real(name): a folder of real data beside this repository; the test is skipped without it."""

    def folder(name: str) -> Path:
        found = Path(__file__).resolve().parents[2] / "shared" / "data" / name
        if not found.is_dir():
            pytest.skip(f"the real data {name} is not next to this repository")
        return found

    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow database, made once: a copy takes milliseconds, a migration seconds."""
    from radsweep.tracking.address import prepare

    store = tmp_path_factory.mktemp("template")
    prepare(f"sqlite:///{store / 'mlflow.db'}", store)
    return store / "mlflow.db"


@pytest.fixture(scope="session")
def public_model(short_folder: Path) -> Path:
    """A folder with a small CLIP of random weights and its tokenizer, like a public model on disk."""
    import tokenizers
    import torch
    import transformers

    words = ["<unk>", "<start>", "</s>", "[PAD]", "there", "is", "no", "the", "a", "effusion", "nodule", "lung", "."]
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    backend.normalizer = tokenizers.normalizers.Lowercase()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "bos_token": "<start>", "eos_token": "</s>", "pad_token": "[PAD]"}
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.CLIPConfig(
        text_config=small | {"vocab_size": len(words), "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 3},
        vision_config=small | {"image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    folder = short_folder / "small-clip"
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        transformers.CLIPModel(config).save_pretrained(folder)
    transformers.ViTImageProcessor(image_mean=[0.4] * 3, image_std=[0.2] * 3).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ray_session(short_folder: Path) -> Iterator[None]:
    """A local Ray of 4 logical CPUs, shared by every test of the session."""
    import ray

    (short_folder / "warm").mkdir()
    with pytest.MonkeyPatch.context() as patch:  # for Ray's processes only: see support/warm/sitecustomize.py
        patch.setenv("RADSWEEP_WARM_WORKERS", str(short_folder / "warm"))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "support" / "warm"), prepend=os.pathsep)
        ray.init(
            num_cpus=4,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=300 * 2**20,
            _temp_dir=str(short_folder / "ray"),
        )
    yield
    ray.shutdown()


def quiet_port() -> int:
    """A free port below those that systems assign, so that no other process, such as Ray, takes it meanwhile."""
    for port in random.SystemRandom().sample(range(10_000, 30_000), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


os.environ.update(S3, AWS_ENDPOINT_URL=f"http://127.0.0.1:{quiet_port()}")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return quiet_port


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


class Server:
    """`mlflow server` as a process that is killed and started again on the same port and database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = quiet_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        argv += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        argv += ["--artifacts-destination", str(self.folder / "mlartifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            argv, env=os.environ | quiet, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
        )
        wait_until(lambda: answers(f"{self.uri}/health"))

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(
                self.process.pid, signal.SIGKILL
            )  # it has its own session: this ends only the workers that it started
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(template, folder / "mlflow.db")
    running = Server(folder)
    try:
        running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of a real S3 server, `moto_server`, which is also in the environment for S3 clients."""
    pytest.importorskip("moto.server")
    address = os.environ["AWS_ENDPOINT_URL"]
    port = address.rpartition(":")[2]
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(address))
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="session")
def phantom_in(object_store: str, phantom: Path) -> Callable[[str], str]:
    """phantom_in(bucket): the address of the phantom in a new bucket, without the private files of a data set."""

    def upload(bucket: str) -> str:
        client = pytest.importorskip("boto3").client("s3", endpoint_url=object_store)
        client.create_bucket(Bucket=bucket)
        for file in phantom.rglob("*"):
            if file.is_file() and "private" not in file.parts:
                client.upload_file(str(file), bucket, f"cxr/{file.relative_to(phantom)}")
        return f"s3://{bucket}/cxr"

    return upload


@pytest.fixture(scope="session")
def answering() -> Callable[[str], bool]:
    return answers


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], bool]], None]:
    return wait_until


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll; the time limit of the suite ends a condition that stays false."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("did not become true")
