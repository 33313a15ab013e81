"""How far an epoch is: what a run that was paused in its middle goes on from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Epoch:
    """Plain numbers, kept in the checkpoint."""

    batches: int = 0
    studies: int = 0
    seconds: float = 0.0
    logged: dict[str, list[float]] = field(default_factory=dict)

    def add(self, studies: int, values: dict[str, float]) -> None:
        self.batches += 1
        self.studies += studies
        for name, value in values.items():
            self.logged.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """Of what was logged, named `train/...`."""
        means = {f"train/{name}": float(np.mean(entries)) for name, entries in self.logged.items()}
        return means | {"train/samples_per_second": self.studies / self.seconds}
