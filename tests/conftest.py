"""One Ray and one small phantom data set for the whole session. The settings stand before anything imports Ray."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import radsweep.sweep  # noqa: F401 - sets what Ray reads when it is imported

for _variable in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RADSWEEP_STORE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_variable, None)
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A temporary folder with a short path: Unix sockets allow 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def phantom(short_folder: Path) -> Path:
    """A packed phantom: 80 training, 40 validation and 40 test pairs of 32 pixels, nothing unpaired. Read only."""
    from radsweep.data.phantom import write_phantom

    folder = short_folder / "phantom"
    write_phantom(folder, pairs=80, size=32, validation=40, test=40, unpaired_images=0, unpaired_reports=0)
    return folder


@pytest.fixture(scope="session")
def ray_session(short_folder: Path) -> Iterator[None]:
    """A local Ray of 4 logical CPUs, shared by every test of the session."""
    import ray

    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=300 * 2**20,
        _temp_dir=str(short_folder / "ray"),
    )
    yield
    ray.shutdown()
