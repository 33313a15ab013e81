"""Data sets on disk: the contents match the manifest, and nobody is named."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from radsweep.data.loading.decode import read_index
from radsweep.data.shards.dataset import read_manifest, shard_paths, verify_shards, write_dataset
from radsweep.data.shards.schema import SHARD_SCHEMA, Image, Manifest, Split, Study
from radsweep.errors import InputError

KEY = bytes(range(32))


@pytest.fixture
def studies(make_png: Callable[..., bytes]) -> list[Study]:
    """30 studies of 10 patients, of every kind, with marked ids and one or two images."""

    def study(i: int) -> Study:
        split: Split = ("train", "train", "validation", "test")[i % 10 % 4]  # type: ignore[assignment]
        images = (Image(f"IMAGEMARK{i}a", make_png(i), "PA"), Image(f"IMAGEMARK{i}b", make_png(100 + i)))[: 1 + i % 2]
        labels = {"effusion": 1.0, "nodule": None} if i % 3 else {}
        report = None if i == 7 else f"Report {i}."
        return Study(f"STUDYMARK{i}", f"PATIENTMARK{i % 10}", split, report, () if i == 8 else images, labels)

    return [study(i) for i in range(30)]


def write(out: Path, studies: list[Study], **more: object) -> Manifest:
    return write_dataset(out, studies, name="test", source={"importer": "none"}, **{"key": KEY, **more})  # type: ignore[arg-type]


def rows(out: Path, manifest: Manifest) -> list[dict]:
    return [row for shard in manifest.shards for row in pq.read_table(out / shard.path).to_pylist()]


def test_every_study_comes_back_unchanged_except_for_its_ids(tmp_path: Path, studies: list[Study]) -> None:
    manifest = write(tmp_path / "out", studies, rows_per_shard=4)
    found = {row["report"]: row for row in rows(tmp_path / "out", manifest)}
    assert len(rows(tmp_path / "out", manifest)) == len(studies)
    for study in studies:
        row = found[study.report]
        assert row["split"] == study.split
        assert [image["data"] for image in row["images"]] == [image.data for image in study.images]
        assert [image["view"] for image in row["images"]] == [image.view for image in study.images]
        assert dict(row["labels"]) == study.labels
    assert manifest.studies["images"] == {"train": 0, "validation": 0, "test": 1}
    assert manifest.studies["reports"] == {"train": 1, "validation": 0, "test": 0}
    assert sum(manifest.studies["pairs"].values()) == 28
    assert sum(manifest.patients["pairs"].values()) == 10
    assert manifest.labels == ("effusion", "nodule")
    assert max(shard.rows for shard in manifest.shards) == 4
    assert pq.read_schema(tmp_path / "out" / manifest.shards[0].path).equals(SHARD_SCHEMA)


def test_the_manifest_can_be_read_again_and_names_the_shards_of_a_kind_and_split(
    tmp_path: Path, studies: list[Study]
) -> None:
    manifest = write(tmp_path / "out", studies, rows_per_shard=4)
    assert read_manifest(tmp_path / "out") == manifest
    paths = shard_paths(tmp_path / "out", manifest, "pairs", "validation")
    assert sum(pq.read_metadata(path).num_rows for path in paths) == manifest.studies["pairs"]["validation"]
    assert shard_paths(tmp_path / "out", manifest, "reports", "test") == []


def test_the_fingerprint_depends_on_content_but_not_on_order_or_sharding(tmp_path: Path, studies: list[Study]) -> None:
    first = write(tmp_path / "a", studies, rows_per_shard=4).fingerprint
    assert write(tmp_path / "b", studies[::-1], rows_per_shard=512).fingerprint == first
    others = [studies[:-1], [*studies[:-1], Study(**{**vars(studies[-1]), "report": "Report 29"})]]
    others.append([*studies[:-1], Study(**{**vars(studies[-1]), "labels": {"effusion": 0.0}})])
    turned = tuple(Image(image.image_id, image.data, "L") for image in studies[-1].images)
    others.append([*studies[:-1], Study(**{**vars(studies[-1]), "images": turned})])
    prints = {write(tmp_path / f"c{i}", changed).fingerprint for i, changed in enumerate(others)}
    assert len(prints | {first}) == 5
    assert write(tmp_path / "d", studies, key=None).fingerprint != first


def test_source_ids_are_only_in_private_which_only_the_owner_can_read(tmp_path: Path, studies: list[Study]) -> None:
    out = tmp_path / "out"
    write(out, studies)
    assert b"PATIENTMARK3" in (out / "private" / "ids.csv").read_bytes()
    for path in out.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700 or path.name != "private"
        elif "private" in path.parts:
            assert mode == 0o600
        else:
            content = path.read_bytes()
            assert not any(mark in content for mark in (b"PATIENTMARK", b"STUDYMARK", b"IMAGEMARK", KEY.hex().encode()))
    assert bytes.fromhex((out / "private" / "key").read_text()) == KEY


def test_a_patient_has_one_split_over_all_kinds(tmp_path: Path, make_png: Callable[..., bytes]) -> None:
    torn = [
        Study("1", "p", "train", "Clear.", (Image("a", make_png(1)),)),
        Study("2", "p", "test", None, (Image("b", make_png(2)),)),
    ]
    with pytest.raises(InputError, match="in two splits"):
        write(tmp_path / "out", torn)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"report": " \n"}, "blank report"), ({"images": (Image("a", b"BM"),)}, "neither PNG nor JPEG")],
)
def test_a_blank_positive_is_refused(
    tmp_path: Path, studies: list[Study], change: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path / "out", [*studies, Study(**{**vars(studies[0]), "study_id": "x", **change})])
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_occurs_twice_and_an_empty_data_set_are_refused(tmp_path: Path, studies: list[Study]) -> None:
    with pytest.raises(InputError, match="two studies have the same id"):
        write(tmp_path / "out", [*studies, studies[0]])
    with pytest.raises(InputError, match="no studies to write"):
        write(tmp_path / "out", [])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path: Path, studies: list[Study]) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="already exists"):
        write(tmp_path / "out", studies)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_error_while_writing_leaves_nothing(tmp_path: Path, studies: list[Study]) -> None:
    def broken() -> Iterator[Study]:
        yield from studies
        raise RuntimeError("source went away")

    with pytest.raises(RuntimeError, match="went away"):
        write_dataset(tmp_path / "out", broken(), name="test", source={}, rows_per_shard=2)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import io, os, resource, sys
from pathlib import Path
from radsweep.data.shards.schema import Image, Study
from radsweep.data.shards.dataset import write_dataset
from radsweep.errors import InputError
picture = bytes([0x89]) + b"PNG" + bytes([13, 10, 26, 10]) + os.urandom(400_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
studies = (Study(str(i), str(i), "train", "Clear.", (Image("a", picture),)) for i in range(20))
try:
    write_dataset(Path(sys.argv[1]), studies, name="test", source={})
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert "no space left" in done.stdout
    assert list(tmp_path.iterdir()) == []


def edit(out: Path, **changes: object) -> None:
    content = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(content | changes))


def test_a_broken_data_set_is_named(tmp_path: Path, studies: list[Study]) -> None:
    out = tmp_path / "out"
    manifest = write(out, studies)
    shard = manifest.shards[0].model_dump()
    with pytest.raises(InputError, match="no packed data set"):
        read_manifest(tmp_path)
    edit(out, schema_version=99)
    with pytest.raises(InputError, match="schema_version is 99, but this radsweep reads 1"):
        read_manifest(out)
    edit(out, schema_version=1, shards=[shard | {"path": "../other/train.parquet"}])
    with pytest.raises(InputError, match="leaves the data set"):
        read_manifest(out)
    edit(out, shards=[shard | {"path": "pairs/gone.parquet"}])
    with pytest.raises(InputError, match=r"gone.parquet is missing"):
        read_manifest(out)
    edit(out, shards=[shard | {"rows": "many"}])
    with pytest.raises(InputError, match=r"shards\.0\.rows"):
        read_manifest(out)
    (out / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        read_manifest(out)


def test_a_damaged_shard_is_named(tmp_path: Path, studies: list[Study]) -> None:
    out = tmp_path / "out"
    manifest = write(out, studies)
    verify_shards(out, manifest)
    bad = out / manifest.shards[1].path
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    with pytest.raises(InputError, match=f"{manifest.shards[1].path} is damaged"):
        verify_shards(out, manifest)
    os.truncate(bad, 10)
    with pytest.raises(InputError, match=f"{manifest.shards[1].path} has 10 bytes"):
        read_manifest(out)


def test_the_damaged_shard_is_named_whichever_byte_is_wrong(tmp_path: Path, studies: list[Study]) -> None:
    out = tmp_path / "out"
    manifest = write(out, studies)
    bad = next(out / shard.path for shard in manifest.shards if shard.path.startswith("pairs/train"))
    whole = bad.read_bytes()
    named = f"shard pairs/{bad.name} is damaged"
    parsed = 0
    footer = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8
    for place in (*range(0, footer, 499), *range(footer, len(whole), 13)):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            read_index(out, ())
            parsed += 1
        except InputError as error:
            assert named in str(error), place  # noqa: PT017 - either this
        with pytest.raises(InputError, match=named):  # or what follows in a sweep
            verify_shards(out, manifest)
    assert parsed > 0


def test_a_data_set_without_pairs_is_refused_with_its_possible_use(
    make_png: Callable[..., bytes], tmp_path: Path
) -> None:
    alone = [Study("1", "p", "train", None, (Image("a", make_png(1)),))]
    write_dataset(tmp_path / "images", alone, name="images", source={})
    with pytest.raises(InputError, match=r"no study has both .* used in evaluate.sets"):
        read_index(tmp_path / "images")
