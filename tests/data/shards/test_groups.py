"""Traits of test studies are read without their pictures, and hold no text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from radsweep.data import storage
from radsweep.data.shards.dataset import read_manifest, write_dataset
from radsweep.data.shards.examples import read_examples
from radsweep.data.shards.groups import StudyTraits, read_traits
from radsweep.data.shards.schema import Image, Study
from radsweep.errors import InputError


@pytest.fixture
def packed(tmp_path: Path, make_png: Callable[..., bytes]) -> Path:
    def study(n: int, split: Any, views: Sequence[str]) -> Study:
        images = tuple(Image(f"{n}-{place}", make_png(10 * n + place), view) for place, view in enumerate(views))
        labels = {"effusion": 1.0, "nodule": None, "rib": 0.0}
        return Study(f"s{n}", f"p{n}", split, f"{'word ' * n}end.", images, labels)

    studies = [study(1, "test", ["PA", "LL"]), study(2, "test", ["oblique"]), study(3, "train", ["AP"])]
    write_dataset(tmp_path / "out", studies, name="test", source={}, rows_per_shard=1)
    return tmp_path / "out"


def test_views_words_and_known_labels_of_the_wanted_splits(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns: list[str] = []
    opened = storage.parquet

    def spied(path: str) -> Any:
        file = opened(path)

        class Spy:
            def read(self, **options: Any) -> Any:
                columns.extend(options["columns"])
                return file.read(**options)

        return Spy()

    monkeypatch.setattr(storage, "parquet", spied)
    fingerprint = read_manifest(packed).fingerprint
    known = {"effusion": 1.0, "rib": 0.0}
    assert sorted(read_traits(str(packed), fingerprint).values()) == [
        StudyTraits(("",), 3, known),
        StudyTraits(("frontal", "lateral"), 2, known),
    ]
    assert "images.list.element.view" in columns
    assert not [name for name in columns if name == "images" or "data" in name]
    assert len(read_traits(str(packed), fingerprint, ("train", "validation", "test"))) == 3


def test_examples_are_the_studies_that_were_asked_for(packed: Path) -> None:
    fingerprint = read_manifest(packed).fingerprint
    wanted = {study for study, traits in read_traits(str(packed), fingerprint).items() if traits.words == 2}
    (example,) = read_examples(str(packed), fingerprint, wanted).values()
    assert (example.report, example.views, len(example.images)) == ("word end.", ("PA", "LL"), 2)
    assert example.images[0].startswith(b"\x89PNG")


def test_another_data_set_or_a_damaged_shard_is_refused(packed: Path) -> None:
    with pytest.raises(InputError, match="another data set than the one"):
        read_traits(str(packed), "f" * 64)
    manifest = read_manifest(packed)
    for shard in manifest.shards:
        (packed / shard.path).write_bytes(b"x" * shard.bytes)
    for read in (lambda: read_traits(str(packed), manifest.fingerprint),
                 lambda: read_examples(str(packed), manifest.fingerprint, ["a"])):  # fmt: skip
        with pytest.raises(InputError, match="the shard cannot be read; copy the data set again"):
            read()
