"""Pictures read with Ray Data give the same data set, in any order and on any node."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.packing.reading import read_file
from radsweep.data.packing.reading_ray import _read, read_on_ray

COUNT = 300  # more than one task


def test_the_shards_equal_those_of_local_reading_byte_by_byte(
    ray_session: None, tree: Callable[..., Path], make_png: Callable[..., bytes]
) -> None:
    rows = [{"image": f"{i}.png", "patient": f"p{i // 2}", "notes": f"Report {i}."} for i in range(COUNT)]
    root = tree(rows, {f"{i}.png": i for i in range(COUNT - 2)} | {f"{COUNT - 2}.png": make_png(0)[:100]})
    (root.parent / "key").write_text("5a" * 32)
    settings = CsvSettings(
        image="images/{image}", report="notes", patient="patient", size=16, name="set", key_file=root.parent / "key"
    )
    local = pack_source("csv", settings, root, root.parent / "local")
    assert local.manifest.dropped == {"image is cut off": 1, "image file not found": 1}
    far = pack_source("csv", settings, root, root.parent / "far", reader=read_on_ray)
    assert far.manifest == local.manifest

    def stop(what: str, done: int, total: int) -> None:
        if (what, done) == ("reading pictures", COUNT // 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_source("csv", settings, root, root.parent / "both", stop, reader=read_on_ray)
    said: list[str] = []
    both = pack_source("csv", settings, root, root.parent / "both", say=said.append)
    assert both.manifest == local.manifest
    (line,) = said
    assert 140 <= int(line.split()[1]) <= 150  # except the two that could not be read


def test_a_folder_that_a_node_cannot_see_is_reported_and_not_counted_as_missing_files(
    ray_session: None, tmp_path: Path
) -> None:
    with pytest.raises(
        OSError, match=f"not found on {os.uname().nodename}; give a folder that all nodes share"
    ) as raised:
        list(read_on_ray(tmp_path / "elsewhere", ["a.png"], None))
    assert raised.value.filename == str(tmp_path / "elsewhere")


def test_names_that_are_not_utf_8_come_back_unchanged(tmp_path: Path, make_png: Callable[..., bytes]) -> None:
    name = os.fsdecode(b"r\xf6ntgen.png")
    (tmp_path / name).write_bytes(make_png(0))
    read = _read(pa.table({"path": [os.fsencode(name)]}), tmp_path, None).to_pylist()
    expected = read_file(tmp_path, name, None)
    assert [(os.fsdecode(row["path"]), row["data"], row["pixels"]) for row in read] == [(name, *expected[2:4])]
