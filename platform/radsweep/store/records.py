"""Records of trials and sweeps: the source of truth, from which MLflow and the report are built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from radsweep.config.ablation import Ablation
from radsweep.config.experiment import Experiment
from radsweep.config.paths import as_recorded
from radsweep.config.run import Run
from radsweep.config.search import Dimension, Search
from radsweep.config.settings import Settings
from radsweep.config.training import Convergence

Part = TypeVar("Part", bound=Settings)
Status = Literal["finished", "stopped", "failed"]
ArmSize = tuple[str, int | None]  # arm, size
TuningPlace = tuple[str, int | None, int | None]  # arm, size, replicate; None if all replicates share one tuning


class Validation(BaseModel):
    """One evaluation on the validation split during training."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    epoch: int  # epochs completed
    step: int  # optimiser steps completed
    seconds: float  # of this trial so far, evaluation included
    metrics: dict[str, float]  # train/loss, train/loss/<term>, train/samples_per_second, val/...


def _of_two(recorded: Any) -> Any:
    """Earlier versions recorded True, or False if they had not seen the metric stop rising."""
    return {True: "converged", False: "cannot tell"}[recorded] if isinstance(recorded, bool) else recorded


class CellRecord(BaseModel):
    """Record of a trial that ended: `best` has val/ of the selected checkpoint, `final` the test/ that it may read."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str  # hash of trial, data, code and device type
    trial: dict[str, Any]  # canonical Trial, or Stage
    status: Status
    error: str | None = None  # one line for people, if it failed
    pairs: int = 0  # studies that it trained on
    subset_sha256: str = ""  # of their sorted ids
    history: tuple[Validation, ...] = ()
    best: dict[str, float] = {}  # val/text_to_image/recall_at_10, ...
    best_step: int = 0
    final: dict[str, float] = {}  # test/text_to_image/recall_at_10, ...; empty if the test split was not read
    pool: dict[str, int] = {}  # val/queries, val/candidates, test/queries, ...
    chance: dict[str, float] = {}  # metric name -> its value for random embeddings
    convergence: Annotated[Convergence, BeforeValidator(_of_two)] = Field(
        default="cannot tell", validation_alias=AliasChoices("convergence", "converged")
    )  # of the validation metric at the constant learning rate
    epochs: int = 0
    steps: int = 0
    parameters: int = 0  # of the model
    seconds: dict[str, float] = {}  # training, evaluation, checkpoint, total
    timestamps: dict[str, float] = Field(
        default={}, validation_alias=AliasChoices("timestamps", "moments")
    )  # first_step, last_step, last_report: seconds since 1970
    sweep: str = ""  # id of the sweep that ran it; others reuse it
    device: str = "cpu"
    workers: int = 1
    code: str = ""  # fingerprint of the code that affects numbers
    data: str = ""  # fingerprint of the data set
    versions: dict[str, str] = {}  # torch, torchvision, transformers, ray, radsweep
    stages: dict[str, str] = {}  # image or text -> key of the adaptation stage its tower started from
    notes: tuple[str, ...] = ()  # warnings for people: collapse, cut reports, ...
    started: str = ""  # ISO 8601, UTC
    ended: str = ""

    @property
    def converged(self) -> bool:
        return self.convergence == "converged"


class PlannedCell(BaseModel):
    """Position in a sweep's design, and the cell that fills it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str
    arm: str = ""  # arm of an ablation; empty in a search
    changes: dict[str, Any] = {}  # dotted keys that differ from the base trial
    pairs: int | None = None  # requested; None means all
    subset_seed: int = 0
    init_seed: int = 0
    fold: int | None = None  # fold of a cross-validation that is tested
    number: int = 0  # order in the plan; stages count down from -1
    stage: str = ""  # image or text, if this is an adaptation stage and not a cell
    lower_rung: bool = False  # on fewer pairs than the search's base trial; never a winner
    tuned: dict[str, Any] = {}  # dotted keys that tuning set; those of one arm may differ between sizes
    tuning: int | None = None  # number of the point, if this trial only tunes the settings of its arm
    tuning_replicate: int | None = None  # replicate, from 0, that was tuned for itself; None: all share one tuning
    # trials of its arm, size and tuning among which the settings were chosen
    tuning_trials: int = Field(default=0, validation_alias=AliasChoices("tuning_trials", "behind"))
    reference: bool = False  # a public model, named by `arm`, that was measured and not trained

    @property
    def tuning_place(self) -> TuningPlace:
        """The tuning that it is a trial of, or whose choice it runs."""
        return self.arm, self.pairs, self.tuning_replicate


class SweepRecord(BaseModel):
    """Record of a sweep: its experiment, its data, its plan. Written to STORE/sweeps/ID/sweep.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    name: str
    kind: Literal["ablation", "search", "train"]
    experiment: dict[str, Any]  # the whole validated experiment; read it as `plan` or by section
    select: str  # metric of evaluate.select
    cells: tuple[PlannedCell, ...]
    stages: tuple[PlannedCell, ...] = ()  # adaptation stages that cells start from
    tuning: tuple[PlannedCell, ...] = ()  # trials that tune the settings of cells; none reads the test split
    references: tuple[PlannedCell, ...] = ()  # public models measured on the same test split
    baseline: str = ""  # arm that the others are compared with
    status: Literal["running", "finished", "failed", "interrupted"] = "running"
    ended_by: str = ""  # which budget ended a search, in words
    data: dict[str, Any] = {}  # manifest without shards: name, fingerprint, counts, dropped, notes, source
    fresh: bool = False  # whether results of earlier sweeps are ignored
    code: str = ""
    git_commit: str = ""
    versions: dict[str, str] = {}
    cost: dict[str, float] = {}  # wall_seconds, trials_run, trials_reused, images_decoded, slots, ...
    notes: tuple[str, ...] = ()
    created: str = ""
    ended: str = ""

    @property
    def plan(self) -> Experiment | None:
        """The experiment; None if another version of radsweep wrote it in a form that is not valid now.

        The sections below are read on their own, so that they are available if another section is not valid.
        """
        return _read(Experiment, self.experiment | {"ablation": self._ablation})

    @property
    def run(self) -> Run | None:
        """The section `run`; None if it is not valid now."""
        return _read(Run, self.experiment.get("run", {}))

    @property
    def ablation(self) -> Ablation | None:
        return _read(Ablation, self._ablation)

    @property
    def _ablation(self) -> dict[str, Any] | None:
        """The section as recorded; records without `tune.repeat` are of sweeps that were tuned once."""
        recorded: dict[str, Any] | None = self.experiment.get("ablation")
        tune = recorded.get("tune") if isinstance(recorded, dict) else None
        return {**(recorded or {}), "tune": {"repeat": "once", **tune}} if isinstance(tune, dict) else recorded

    @property
    def search(self) -> Search | None:
        return _read(Search, self.experiment.get("search"))

    @property
    def space(self) -> Mapping[str, Dimension]:
        """The space of a search: {dotted key: dimension}."""
        return self.search.space if self.search else {}

    @property
    def not_before(self) -> str:
        """Time before which records do not count for the sweep; empty if all count."""
        return self.created if self.fresh else ""


def _read(part: type[Part], recorded: dict[str, Any] | None) -> Part | None:
    return None if recorded is None else cast("Part | None", _validated(part, json.dumps(recorded, default=str)))


@lru_cache(maxsize=64)
def _validated(part: type[Settings], text: str) -> Settings | None:
    """Validate `text`. Cached by content, so that copies of a record share the result."""
    try:
        with as_recorded():
            return part.model_validate_json(text)
    except ValidationError:
        return None


def now() -> str:
    """Return the time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
