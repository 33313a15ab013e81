from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from radsweep.config.experiment import Experiment
from radsweep.data.shards.dataset import read_manifest

Run = Callable[..., Any]
CSV = ("--image", "images/{id}.*", "--report", "notes", "--patient", "id", "--patient-pattern", "^(.*?)[a-c]?$")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """12 patients, the first with two images; one row without a report, one of another modality, one repeated."""
    root = tmp_path / "xrays"
    (root / "images").mkdir(parents=True)
    names = ["p0a", "p0b", *(f"p{number}" for number in range(1, 12))]
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "notes", "modality"])
        for number, name in enumerate(names):
            noise = np.random.default_rng(number).integers(0, 256, (20, 20), np.uint8)
            picture = io.BytesIO()
            Image.fromarray(noise).save(picture, "PNG")
            (root / "images" / f"{name}.png").write_bytes(picture.getvalue())
            writer.writerow([name, "" if name == "p1" else f"Finding {number}.", "CT" if name == "p2" else "X-ray"])
        writer.writerow(["p3", "Finding 4.", "X-ray"])
    return root


def test_pack_csv_prints_the_new_folder_and_the_dropped_rows_by_reason(run: Run, source: Path) -> None:
    ended = run("pack", "csv", source, "shards", *CSV, "--keep", "modality=X-ray")
    assert (ended.code, ended.out) == (0, "shards\n")
    assert "packed 11 of 13 rows" in ended.err
    assert "dropped, no report: 1 (rows 3)" in ended.err
    assert "dropped, duplicate of another row: 1 (rows 14)" in ended.err
    assert "1 rows were left out by --keep modality=X-ray" in ended.err
    assert "Reading pictures (12)" in ended.err
    manifest = read_manifest("shards")
    assert sum(manifest.studies["pairs"].values()) == 11
    assert sum(manifest.patients["pairs"].values()) == 10


def test_a_stopped_pack_announces_that_it_can_continue_and_then_that_it_does(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr("radsweep.data.packing.pack.draft_studies", interrupted)
        ended = run("pack", "csv", source, "shards", *CSV)
    assert ended.code not in (0, 2)
    assert "Stopped. Run the same command again to continue" in ended.err
    again = run("pack", "csv", source, "shards", *CSV)
    assert (again.code, again.out) == (0, "shards\n")
    assert "continuing: 13 of 13 pictures have been read already" in again.err


def test_pack_csv_as_json_prints_the_manifest_without_its_shards(run: Run, source: Path) -> None:
    options = ("--keep", "modality=X-ray", "--keep", "modality=CT", "--split-fractions", "0.5", "0.25", "0.25")
    ended = run("pack", "csv", source, "shards", *CSV, *options, "--seed", "3", "--size", "16", "--json")
    told = json.loads(ended.out)
    assert told == read_manifest("shards").model_dump(mode="json", exclude={"shards"})
    assert told["source"]["split_fractions"] == "0.5, 0.25, 0.25"
    assert (told["source"]["seed"], told["source"]["size"]) == (3, 16)
    assert told["patients"]["pairs"] == {"train": 5, "validation": 3, "test": 3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--split-fractions", "1", "1", "1"), "--split-fractions: expected three shares of 0 or more that sum to 1"),
        (("--size", "3"), "--size: expected 16 or more"),
        (("--patient-pattern", "["), "--patient-pattern: not a regular expression"),
        (("--keep", "modality"), "--keep: expected COLUMN=VALUE"),
        (("--keep", "modality=MR"), "no row has modality=MR; modality has 2 different values"),
        (("--report", "note"), "--report: no column note (did you mean notes?)"),
        (("--table", "other.csv"), "other.csv"),
    ],
)
def test_a_wrong_option_of_pack_is_reported_and_nothing_is_written(
    run: Run, source: Path, options: tuple[str, ...], said: str
) -> None:
    ended = run("pack", "csv", source, "shards", *CSV, *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert [path.name for path in Path().iterdir()] == ["xrays"]


def test_two_wrong_options_are_reported_together(run: Run, source: Path) -> None:
    lines = run("pack", "csv", source, "shards", "--size", "3", "--keep", "x").err.splitlines()
    assert [line.split(":")[-2].strip() for line in lines] == ["--size", "--keep"]


def test_pack_of_a_published_set_reports_read_and_missing_files(run: Run, source: Path) -> None:
    """Pack a minimal ROCOv2."""
    root, pictures = Path("rocov2"), sorted((source / "images").iterdir())
    for split, count in (("train", 2), ("valid", 1), ("test", 1)):
        (root / split).mkdir(parents=True)
        names = [f"ROCOv2_2023_{split}_{number:06d}" for number in range(count)]
        (root / f"{split}_captions.csv").write_text(
            "ID,Caption\n" + "".join(f'{name},"CT, {name}"\n' for name in names)
        )
        for name in names:
            pictures.pop().rename(root / split / f"{name}.png")
    ended = run("pack", "roco", root, "shards", "--size", "16")
    assert (ended.code, ended.out) == (0, "shards\n")
    assert "Reading the source (4)" in ended.err
    assert "each figure counts as its own patient" in ended.err
    assert read_manifest("shards").studies["pairs"] == {"train": 2, "validation": 1, "test": 1}
    above = run("pack", "roco", ".", "other")
    assert above.code == 2
    assert "train_captions.csv is missing; it comes with ROCOv2, https://doi.org" in above.err
    assert "It is in rocov2; give that folder as ROOT" in above.err


def test_existing_output_is_never_overwritten(run: Run, source: Path) -> None:
    Path("shards").mkdir()
    for command in (("pack", "csv", source, "shards", *CSV), ("phantom", "shards", "--pairs", "2")):
        ended = run(*command)
        assert ended.code == 2
        assert "already exists and is never overwritten" in ended.err
    assert list(Path("shards").iterdir()) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("pack", "csv", "xrays", "s3://BUCKET/x", *CSV), "OUT: expected a folder of this machine, not an address"),
        (("pack", "csv", "gs://BUCKET/x", "shards", *CSV), "ROOT: expected a folder of this machine, not an address"),
        (("phantom", "s3://BUCKET/x", "--pairs", "2"), "then copy it, without private/, to the bucket"),
        (("report", "a-sweep", "--out", "s3://BUCKET/x"), "--out: expected a folder of this machine, not an address"),
        (
            ("fetch", "a-sweep", "--address", "http://127.0.0.1:9", "--out", "s3://BUCKET/x"),
            "--out: expected a folder of this machine, not an address",
        ),
    ],
)
def test_an_address_where_a_folder_is_expected_is_refused_before_any_work(
    run: Run, source: Path, command: tuple[str, ...], said: str
) -> None:
    ended = run(*command)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "BUCKET" not in ended.err
    assert [path.name for path in Path().iterdir()] == ["xrays"]


def test_inspect_shows_counts_as_a_table_and_as_json(run: Run, phantom: Path) -> None:
    shown = run("inspect", phantom)
    assert shown.code == 0
    assert "phantom-standard: studies / patients / images" in shown.out
    told = json.loads(run("inspect", phantom, "--json").out)
    assert told["studies"]["pairs"] == {"train": 80, "validation": 40, "test": 40}
    assert told["fingerprint"] in shown.out, "nothing is cut without a terminal"


def test_inspect_writes_a_contact_sheet_if_asked(run: Run, phantom: Path, tmp_path: Path) -> None:
    ended = run("inspect", phantom, "--pictures", tmp_path / "pictures.html")
    assert ended.code == 0
    assert "pictures have hardly any contrast" in (tmp_path / "pictures.html").read_text(encoding="utf-8")
    again = run("inspect", phantom, "--pictures", tmp_path / "pictures.html")
    assert again.code == 2
    assert "exists and is not overwritten" in again.err


def test_inspect_of_something_else_is_refused(run: Run, tmp_path: Path) -> None:
    ended = run("inspect", tmp_path)
    assert ended == (2, "", f"radsweep: {tmp_path}: no packed data set there (manifest.json is missing)\n")


def test_the_schema_that_is_printed_checks_experiments(run: Run) -> None:
    schema = json.loads(run("schema").out)
    assert schema == Experiment.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
