"""Settings of the evaluation: tasks, and the data that they run on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from radsweep.config import metrics
from radsweep.config.paths import absolute, absolute_weights, absolute_yaml
from radsweep.config.settings import Settings

TaskName = Literal["retrieval", "local_retrieval", "zero_shot", "linear_probe", "class_retrieval"]
Ensembling = Literal["norm_mean_norm", "mean_norm", "max", "mean_similarity"]
CHEXPERT_FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
Name = Annotated[str, StringConstraints(min_length=1)]


class ZeroShotSettings(Settings):
    prompts: Name = Field(
        default="chexpert", description="Prompts of each class: a set that ships, or a YAML file of your own"
    )
    ensembling: Ensembling = Field(
        default="norm_mean_norm",
        description="How several prompts count: norm_mean_norm (CLIP), mean_norm (BioViL), max (GLoRIA), "
        "mean_similarity (CXR-CLIP)",
    )

    _absolute = field_validator("prompts")(absolute_yaml)


class LinearProbeSettings(Settings):
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.01, 0.1, 1.0), min_length=1, description="Parts of the labelled training studies, by patient, nested"
    )
    draws: int = Field(default=5, ge=1, le=100, description="Subsets of each part smaller than all")


class ClassRetrievalSettings(Settings):
    classes: tuple[Name, ...] = Field(default=CHEXPERT_FIVE, min_length=2, description="Classes of the pool")
    per_class: int = Field(default=200, ge=1, description="Studies of each class, of those that only show this class")
    seed: int = Field(default=0, ge=0, description="Seed of the draw")


class Evaluate(Settings):
    select: str = Field(
        default="val/text_to_image/recall_at_10",
        description="Validation metric that picks the best checkpoint, the plateau and a search's winner; on few "
        "validation pairs val/text_to_image/mean_reciprocal_rank, and val/text_to_image_local/... for the local score, "
        "which takes minutes a validation on hundreds of pairs without a GPU",
    )
    tasks: tuple[TaskName, ...] = Field(
        default=("retrieval",),
        description="What is measured of the test split. retrieval is always; local_retrieval ranks by the local "
        "term's score too, if a term trains image regions and words (minutes to hours for thousands of studies without "
        "a GPU); zero_shot, linear_probe and class_retrieval need labels",
    )
    zero_shot: ZeroShotSettings = ZeroShotSettings()
    linear_probe: LinearProbeSettings = LinearProbeSettings()
    class_retrieval: ClassRetrievalSettings = ClassRetrievalSettings()
    sets: tuple[Name, ...] = Field(
        default=(),
        description="Folders of further packed data sets with labels, with or without reports, for zero_shot and "
        "linear_probe",
    )
    public_models: tuple[Name, ...] = Field(
        default=(),
        description="Public models, as hub ids or local folders, measured on the same test split: reference rows of "
        "the report",
    )
    every_steps: int = Field(
        default=20, ge=1, description="Validate at the end of an epoch, at least this many steps after the last"
    )

    @property
    def ranks_locally(self) -> bool:
        """True if the local score is asked for."""
        return "local_retrieval" in self.tasks or metrics.Metric(self.select).local

    @field_validator("select")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in metrics.selectable():
            raise ValueError(f"unknown metric {value!r}")
        return value

    @field_validator("sets")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name if "://" in name else absolute(name) for name in value)

    @field_validator("public_models")
    @classmethod
    def _absolute_where_local(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(absolute_weights, value))


def shown_names(against: Sequence[str]) -> dict[str, str]:
    """{model: its name in the report}: a hub id, or as much of a folder's path as sets it apart from the others."""
    shown = {}
    for name in against:
        parts = Path(name).parts if Path(name).is_absolute() else (name,)
        for length in range(1, len(parts) + 1):
            shown[name] = "/".join(parts[-length:])
            if sum(other.endswith(f"/{shown[name]}") for other in against) < 2:
                break
    return shown
