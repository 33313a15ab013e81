"""Packing and inspecting from Python do what the commands do."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import radsweep as rs
from radsweep.cli.app import app
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.inspection.inspection import inspect_dataset
from radsweep.data.shards.dataset import read_manifest

OWN: dict[str, Any] = {"image": "image_file", "report": "clinical_notes", "patient": "patientid"}


def test_every_option_of_the_command_is_a_parameter_with_its_default() -> None:
    parameters = dict(inspect.signature(rs.pack_csv).parameters)
    assert parameters.pop("ray").default is None
    assert list(parameters)[:2] == ["root", "out"]
    defaults = {name: parameter.default for name, parameter in parameters.items() if name not in ("root", "out")}
    fields = {name: field.default for name, field in CsvSettings.model_fields.items()}
    assert defaults == fields | {"table": str(fields["table"])}


def test_options_reach_the_data_set(here: Path) -> None:
    options = {"size": 16, "seed": 3, "split_fractions": (0.5, 0.25, 0.25), "name": "own", "labels": ["patientid"]}
    shards = rs.pack_csv("ROOT", here / "own", **OWN, **options)
    assert shards == here / "own"
    manifest = read_manifest(shards)
    assert manifest.name == "own"
    assert (manifest.source["size"], manifest.source["seed"]) == (16, 3)
    assert manifest.source["split_fractions"] == "0.5, 0.25, 0.25"
    assert manifest.patients["pairs"] == {"train": 10, "validation": 5, "test": 5}
    assert len(manifest.labels) == 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 3}, "size: expected 16 or more"),
        ({"keep": ["modality"]}, "keep: expected COLUMN=VALUE"),
        ({"labels": "patientid"}, "labels: expected a list"),
        ({"uncertain": "maybe"}, "uncertain: expected 'unknown', 'positive' or 'negative'"),
        ({"report": "note"}, "metadata.csv: --report: no column note"),
        ({"root": "nowhere"}, "nowhere: no such folder"),
        ({"root": "s3://bucket/own"}, "ROOT: expected a folder of this machine, not an address"),
        ({"out": "my-shards"}, "my-shards already exists and is never overwritten"),
        ({"out": "s3://bucket/own"}, "OUT: expected a folder of this machine, not an address"),
    ],
)
def test_a_wrong_option_is_refused_and_nothing_is_written(here: Path, options: dict[str, Any], said: str) -> None:
    before = sorted(here.iterdir())
    with pytest.raises(rs.InputError) as refused:
        rs.pack_csv(**{"root": "ROOT", "out": "own", **OWN, **options})
    assert said in str(refused.value)
    assert sorted(here.iterdir()) == before


def test_an_inspection_is_that_of_the_command_with_frames(here: Path, phantom: Path) -> None:
    found = rs.inspect("my-shards")
    assert found == inspect_dataset(phantom)
    printed = CliRunner().invoke(app, ["inspect", "my-shards"]).stdout
    assert [line.rstrip() for line in printed.splitlines()] == str(found).splitlines()
    assert "effusion" in found._repr_html_()
    assert found.frame().to_dict("list") == {
        "kind": ["pairs"] * 3,
        "split": ["train", "validation", "test"],
        **{name: list(getattr(found, name)["pairs"].values()) for name in ("studies", "patients", "images")},
    }
    labels = found.label_frame().set_index(["label", "split"])
    assert labels.loc[("effusion", "train")].to_dict() == found.labels["effusion"]["train"].model_dump()


def test_a_folder_that_is_not_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rs.InputError, match="no packed data set there"):
        rs.inspect(tmp_path)
