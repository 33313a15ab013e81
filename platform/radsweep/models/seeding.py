"""Random starts that only depend on a name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded_start(name: str) -> Iterator[None]:
    """The CPU's random state set by `name` within, and restored after."""
    with torch.random.fork_rng(devices=[]):
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        torch.random.default_generator.manual_seed(int.from_bytes(digest, "little"))  # torch.manual_seed: GPUs too
        yield
