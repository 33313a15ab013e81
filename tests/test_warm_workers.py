"""The session's Ray starts its workers warm: without that the suite takes twice as long, and all else stays green."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="workers start warm on Linux only")
def test_a_worker_is_forked_from_a_process_that_imported_what_it_needs(ray_session: None) -> None:
    import ray

    @ray.remote(num_cpus=0)
    def parent() -> str:
        return Path(f"/proc/{os.getppid()}/cmdline").read_text()

    assert "support/warm/server.py" in ray.get(parent.remote(), timeout=120), (
        "Ray starts its workers in another way now: support/warm/sitecustomize.py has to follow"
    )
