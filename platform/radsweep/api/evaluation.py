"""Evaluation of a model on a packed data set, from Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from radsweep.display import Shown
from radsweep.report import wording

if TYPE_CHECKING:
    import pandas as pd

    from radsweep.api.best import Best
    from radsweep.api.models import LoadedModel
    from radsweep.api.sweeps import Sweep


def evaluate(
    model: LoadedModel | Sweep | Best | str | os.PathLike[str],
    shards: str | os.PathLike[str],
    tasks: Iterable[str] = (),
    *,
    split: Literal["test", "validation"] = "test",
    overrides: Mapping[str, Any] | None = None,
    queries: str | os.PathLike[str] | None = None,
) -> Evaluation:
    """Evaluate a checkpoint, or a public model as it is, on a split of a packed data set.

    Retrieval is measured in both directions on the full pool of the split. A checkpoint is read from its folder, so
    that the numbers are those of `radsweep evaluate`.

    Args:
        model: from `load_model`, or what `load_model` takes.
        shards: folder of a packed data set, or s3://...
        tasks: additional tasks to evaluate: `local_retrieval`, `zero_shot`, `linear_probe`, `class_retrieval`.
        split: split to evaluate on.
        overrides: settings of the tasks, such as `{"evaluate.zero_shot.prompts": "mine.yaml"}`.
        queries: new Parquet file for the result of each study: ids, ranks and scores.

    Returns:
        An `Evaluation`: each number with its chance level. It prints as a table.

    Raises:
        InputError: no checkpoint, model or data set there, fewer than 2 pairs in the split, an unknown task, or one
            that the data set cannot serve.

    Example:
        >>> import radsweep as rs
        >>> prompts = {"evaluate.zero_shot.prompts": "phantom"}
        >>> found = rs.evaluate("checkpoint", "my-shards", ["zero_shot"], overrides=prompts)
        >>> found.tasks
        ('retrieval', 'zero_shot')
        >>> round(found.chance("test/text_to_image/recall_at_10"), 2)
        0.25
    """
    import torch

    from radsweep.api.checkpoints import checkpoint_of
    from radsweep.api.models import LoadedModel
    from radsweep.sweep.evaluate import evaluate_model

    target = model.source if isinstance(model, LoadedModel) else checkpoint_of(model)
    settings = dict(overrides or {})
    further = [tasks] if isinstance(tasks, str) else list(tasks)
    if further or not any(key.startswith("evaluate.tasks") for key in settings):
        settings["evaluate.tasks"] = ["retrieval", *(name for name in further if name != "retrieval")]
    threads = torch.get_num_threads()
    try:  # a trial sets the threads of its process; a notebook gets its own back
        found = evaluate_model(target, os.fspath(shards), split, settings, None if queries is None else Path(queries))
    finally:
        torch.set_num_threads(threads)
    return Evaluation(**found | {"tasks": tuple(found["tasks"]), "notes": tuple(found["notes"])})


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """Results of `evaluate`. `print` and a notebook show them as a table.

    Attributes:
        model: folder of the checkpoint, or name of the public model.
        data: name of the data set.
        fingerprint: fingerprint of the data set.
        split: `test` or `validation`.
        tasks: tasks that were evaluated.
        candidates: studies that each query was compared with.
        notes: remarks on the numbers.
        metrics: {name: {"value": value, "chance": chance level or None}}.

    Example:
        >>> import radsweep as rs
        >>> found = rs.evaluate("checkpoint", "my-shards", split="validation")
        >>> 0 <= found["val/text_to_image/recall_at_10"] <= 1
        True
    """

    model: str
    data: str
    fingerprint: str
    split: str
    tasks: tuple[str, ...]
    candidates: int
    notes: tuple[str, ...]
    metrics: dict[str, dict[str, float | None]]

    def __getitem__(self, metric: str) -> float:
        """Value of a metric, such as `test/text_to_image/recall_at_10`; KeyError for one that was not measured."""
        value = self.metrics[metric]["value"]
        assert value is not None
        return value

    def chance(self, metric: str) -> float | None:
        """Chance level of a metric.

        Args:
            metric: a metric that was measured.

        Returns:
            The value of the metric for random embeddings or scores; None if it is not known.

        Example:
            >>> import radsweep as rs
            >>> round(rs.evaluate("checkpoint", "my-shards").chance("test/image_to_text/recall_at_1"), 4)
            0.025
        """
        return self.metrics[metric]["chance"]

    def frame(self) -> pd.DataFrame:
        """The numbers as a pandas frame.

        Returns:
            A row for each metric, with the columns `metric`, `value` and `chance`.

        Example:
            >>> import radsweep as rs
            >>> frame = rs.evaluate("checkpoint", "my-shards").frame()
            >>> frame.columns.tolist()
            ['metric', 'value', 'chance']
        """
        import pandas as pd

        return pd.DataFrame([{"metric": name, **numbers} for name, numbers in self.metrics.items()])

    def __rich__(self) -> RenderableType:
        return Group(self.table(), *(Text(f"Note: {note}") for note in self.notes))

    def table(self) -> Table:
        """The numbers as a table for a terminal.

        Returns:
            A rich table: each number with its chance level.

        Example:
            >>> import radsweep as rs
            >>> rs.evaluate("checkpoint", "my-shards").table().title
            'phantom-standard, test split, 40 candidates'
        """
        title = f"{self.data}, {self.split} split, {self.candidates:,} candidates"
        table = Table(title=title, box=box.SIMPLE_HEAD)
        table.add_column("metric")
        for column in ("value", "chance"):
            table.add_column(column, justify="right")
        for name, numbers in self.metrics.items():
            shown = (wording.number(name, numbers[what]) for what in ("value", "chance"))
            table.add_row(wording.metric_name(name), *shown)
        return table
