"""Options of `radsweep pack csv`."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from radsweep.data.importers.radiographs import UncertainSettings


class CsvSettings(UncertainSettings):
    """Options of `radsweep pack csv`. Without `image`, reports alone are packed; without `report`, images alone."""

    table: Path = Field(Path("metadata.csv"), description="the table (.csv, .tsv, .gz, .parquet), in ROOT or elsewhere")
    image: str | None = Field(None, description="column of file names, or a pattern: 'images/{patientid}.*'")
    report: str | None = Field(None, description="column of the report's text")
    patient: str | None = Field(None, description="column of the patient; without it each study is a patient")
    patient_pattern: str | None = Field(
        None, description="regular expression whose first group in the patient column is the patient"
    )
    study: str | None = Field(None, description="column of the study; without it each row is a study")
    split: str | None = Field(None, description="column of the split; without it splits are made by seed")
    labels: tuple[str, ...] = Field((), description="columns of flags or of class names")
    view: str | None = Field(None, description="column of the view (PA, AP, lateral, ...)")
    keep: tuple[str, ...] = Field((), description="COLUMN=VALUE: keep these rows alone; one column's values add up")
    encoding: str = Field("auto", description="of the table; detected by default")

    @field_validator("patient_pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            if not groups:
                raise ValueError("expected a group in parentheses, which is the patient: '^(.*?)[a-c]?$'")
        return pattern

    @field_validator("keep")
    @classmethod
    def _names_a_column(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        if not all("=" in condition for condition in keep):
            raise ValueError("expected COLUMN=VALUE")
        return keep
