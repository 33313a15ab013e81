"""Small trees in the layouts of published data sets, packed."""

from __future__ import annotations

import csv
import gzip
import io
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from radsweep.cli.app import app
from radsweep.data.importers.registry import IMPORTERS, pack_source
from radsweep.data.packing.pack import describe
from radsweep.data.shards.schema import Manifest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "importers.md"


class Result(NamedTuple):
    manifest: Manifest
    studies: list[dict]  # as stored, labels a dict
    dropped: list[dict[str, str]]  # private/dropped.csv
    lines: list[str]  # for the terminal

    def study(self, report: str) -> dict:
        (found,) = [study for study in self.studies if study["report"] == report]
        return found


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table, compressed if the name ends in .gz."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    data = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_picture(path: Path, seed: int) -> None:
    """Write 16 x 16 noise that depends on the seed, in the format of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16), np.uint8)).save(path)


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Result]:
    """Return `pack(name, root, **settings)`, which packs into a new folder each time."""

    def run(name: str, root: Path, **settings: object) -> Result:
        out = tmp_path / f"out-{sum(path.name.startswith('out-') for path in tmp_path.iterdir())}"
        packed = pack_source(name, IMPORTERS[name].settings(**settings), root, out)
        studies = [
            study | {"labels": dict(study["labels"])}
            for shard in packed.manifest.shards
            for study in pq.read_table(out / shard.path).to_pylist()
        ]
        with (out / "private" / "dropped.csv").open() as file:
            return Result(packed.manifest, studies, list(csv.DictReader(file)), describe(packed))

    return run


@pytest.fixture
def table() -> Callable[..., None]:
    return write_csv


@pytest.fixture
def picture() -> Callable[[Path, int], None]:
    return write_picture


@pytest.fixture
def counted() -> Callable[[Mapping[str, Mapping[str, int]]], dict[str, tuple[int, ...]]]:
    """Return a function to counts of the kinds that occur: {"pairs": (train, validation, test)}."""
    return lambda counts: {kind: tuple(of.values()) for kind, of in counts.items() if any(of.values())}


@pytest.fixture
def typed_as_on_its_page(tmp_path: Path) -> Callable[[str, Path], None]:
    """Return a function that runs every command for an importer in docs/importers.md; each must pack something."""

    def run(name: str, root: Path) -> None:
        lines = re.findall(rf"^radsweep pack {name} .+$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        assert lines
        for number, line in enumerate(lines):
            _, _, _, _, _, *options = shlex.split(line)  # radsweep pack NAME ROOT OUT
            out = tmp_path / f"typed-{number}"
            ended = CliRunner().invoke(app, ["pack", name, str(root), str(out), *options])
            assert ended.exit_code == 0, ended.output
            assert list(out.rglob("*.parquet"))

    return run
