"""Options that every importer of `radsweep pack` takes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from radsweep.data.packing.rows import PLACEHOLDERS


class PackSettings(BaseModel):
    """Settings that every importer takes; each field is an option of `radsweep pack`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field("", description="name of the data set (default: name of the folder)")
    size: int | None = Field(None, ge=16, description="shrink pictures to this longest side, in pixels")
    seed: int = Field(0, description="seed of the splits, if the source gives none")
    split_fractions: tuple[float, float, float] = Field(
        (0.7, 0.15, 0.15), description="shares of patients in train, validation and test"
    )
    missing: tuple[str, ...] = Field(PLACEHOLDERS, description="texts that mean a missing report")
    without_reports: bool = Field(False, description="keep images that have no report, in images/")
    without_images: bool = Field(False, description="keep reports that have no image, in reports/")
    key_file: Path | None = Field(
        None, description="file with the key of the hashed ids, hexadecimal (default: a random key)"
    )

    @field_validator("split_fractions")
    @classmethod
    def _sums_to_one(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError("expected three shares of 0 or more that sum to 1")
        return fractions
