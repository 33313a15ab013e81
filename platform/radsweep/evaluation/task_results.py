"""Results of measuring a model."""

from __future__ import annotations

from dataclasses import dataclass, field

from radsweep.evaluation.queries import QueryResults


@dataclass
class Measured:
    """Names start with their split (and set): `test/text_to_image/recall_at_10`, `test/nih/zero_shot/auroc`."""

    metrics: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)  # of the same names
    pool: dict[str, int] = field(default_factory=dict)  # test/queries, test/candidates
    notes: list[str] = field(default_factory=list)
    queries: dict[str, QueryResults] = field(default_factory=dict)  # by name of the file they belong in

    def add(self, prefix: str, metrics: dict[str, float], chance: dict[str, float]) -> None:
        self.metrics |= {f"{prefix}/{name}": value for name, value in metrics.items()}
        self.chance |= {f"{prefix}/{name}": value for name, value in chance.items()}
