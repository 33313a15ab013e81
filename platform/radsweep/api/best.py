"""The configuration that a sweep recommends."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Best(os.PathLike[str]):
    """The configuration that a sweep recommends, and the folder of its checkpoint.

    `load_model` and `evaluate` take it as it is, and so does whatever takes a path.

    Attributes:
        folder: the checkpoint.
        key: of its trial, as in `Sweep.trials`.
        arm: name of its arm; empty for a search or a single trial.
        pairs: training pairs that the trial asked for; None for all.
        changes: {dotted key: value} that sets it apart from the base trial.
        metric: validation metric that ranked the trials.
        value: that metric of this trial.
        settings: every setting of the trial, as the experiment file would hold them.
        source: how its data set was packed, from the manifest.

    Example:
        >>> import radsweep as rs
        >>> best = rs.open_sweep("small", store="store").best
        >>> best.metric
        'val/text_to_image/recall_at_10'
        >>> again = rs.load_experiment({"experiment": "again", **best.settings})
        >>> again.train.batch_size
        16
    """

    folder: Path
    key: str
    arm: str
    pairs: int | None
    changes: dict[str, Any]
    metric: str
    value: float
    settings: dict[str, Any] = field(repr=False)
    source: dict[str, Any] = field(repr=False)

    def __fspath__(self) -> str:
        return str(self.folder)
