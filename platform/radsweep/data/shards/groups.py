"""Traits that group test queries: labels, views and number of words of each study. No text leaves this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from radsweep.data import storage
from radsweep.data.shards.dataset import DAMAGE, read_manifest, shard_paths
from radsweep.data.shards.schema import Split
from radsweep.data.shards.views import Plane, plane
from radsweep.errors import InputError

_COLUMNS = ["study_id", "report", "images.list.element.view", "labels"]  # never the pictures


class StudyTraits(NamedTuple):
    """Traits of one study."""

    planes: tuple[Plane, ...]  # of each image
    words: int
    labels: Mapping[str, float]  # 1 or 0; classes whose label is not known are left out


Traits = Callable[[], Mapping[str, StudyTraits] | str]  # by id of the study, or why they cannot be read


def no_traits() -> str:
    """Stand-in for reports that are written without the data set."""
    return "this report was written without the data set"


def read_traits(folder: str, fingerprint: str, splits: Sequence[Split] = ("test",)) -> dict[str, StudyTraits]:
    """Read the traits of all pairs of some splits; the columns with pictures are not read.

    Args:
        fingerprint: of the data set that is wanted.

    Raises:
        InputError: `folder` has no data set, or another one, or a shard is damaged.

    Example:
        >>> from radsweep.data.shards.dataset import read_manifest
        >>> traits = read_traits("my-shards", read_manifest("my-shards").fingerprint)
        >>> sorted({study.planes for study in traits.values()})
        [('frontal',), ('frontal', 'lateral')]
    """
    found: dict[str, StudyTraits] = {}
    for path in pair_shards(folder, fingerprint, splits):
        try:
            found |= dict(_traits(storage.parquet(path).read(columns=_COLUMNS)))
        except DAMAGE:
            raise InputError(f"{path}: the shard cannot be read; copy the data set again") from None
    return found


def pair_shards(folder: str, fingerprint: str, splits: Sequence[Split]) -> list[str]:
    """Paths of the shards with pairs.

    Raises:
        InputError: `folder` has no data set, or another one.
    """
    manifest = read_manifest(folder)
    if manifest.fingerprint != fingerprint:
        raise InputError(f"{folder}: another data set than the one that the sweep ran on; put that one there")
    return [path for split in splits for path in shard_paths(folder, manifest, "pairs", split)]


def _traits(table: pa.Table) -> Iterator[tuple[str, StudyTraits]]:
    columns = (table[name].to_pylist() for name in ("study_id", "report", "images", "labels"))
    for study, report, images, labels in zip(*columns, strict=True):
        known = {name: value for name, value in labels if value is not None}
        yield study, StudyTraits(tuple(plane(image["view"]) for image in images), len(report.split()), known)
