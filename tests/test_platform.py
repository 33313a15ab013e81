"""The source root `platform/` must not shadow Python's own module of that name."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_source_root_is_not_a_package() -> None:
    assert (ROOT / "platform" / "radsweep" / "__init__.py").is_file()
    assert not (ROOT / "platform" / "__init__.py").exists()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("-c", "import platform; print(platform.__file__)"), str(platform.__file__)),
        (("-m", "platform"), platform.platform()),
    ],
)
def test_platform_is_pythons_own_from_the_repository_root(command: tuple[str, str], expected: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == expected


def test_platform_is_pythons_own_in_a_ray_worker_that_starts_with_the_repository_root_on_its_path(
    ray_session: None,
) -> None:
    import ray

    @ray.remote(num_cpus=1, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}})
    def where() -> tuple[str, bool]:
        import platform
        import sys

        return str(platform.__file__), str(ROOT) in sys.path

    file, on_the_path = ray.get(where.remote(), timeout=120)
    assert on_the_path
    assert Path(file) == Path(str(platform.__file__))
