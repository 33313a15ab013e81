"""A few studies of a data set with their texts and pictures, to be shown to a person on this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from radsweep.data import storage
from radsweep.data.shards.dataset import DAMAGE
from radsweep.data.shards.groups import pair_shards
from radsweep.data.shards.schema import Split
from radsweep.errors import InputError


class Example(NamedTuple):
    """A study as packed."""

    report: str
    images: tuple[bytes, ...]  # encoded
    views: tuple[str, ...]


def read_examples(
    folder: str, fingerprint: str, studies: Collection[str], splits: Sequence[Split] = ("test",)
) -> dict[str, Example]:
    """Read some pairs by id; only the parts of shards that hold one of them are read.

    Args:
        fingerprint: of the data set that is wanted.

    Raises:
        InputError: `folder` has no data set, or another one, or a shard is damaged.
    """
    found: dict[str, Example] = {}
    for path in pair_shards(folder, fingerprint, splits):
        try:
            file = storage.parquet(path)
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, columns=["study_id"])["study_id"].to_pylist()
                rows = [row for row, study in enumerate(ids) if study in studies]
                if rows:
                    table = file.read_row_group(group, columns=["report", "images"]).take(rows)
                    found |= {ids[row]: _example(study) for row, study in zip(rows, table.to_pylist(), strict=True)}
        except DAMAGE:
            raise InputError(f"{path}: the shard cannot be read; copy the data set again") from None
    return found


def _example(study: dict[str, list[dict[str, bytes]]]) -> Example:
    images = study["images"]
    return Example(str(study["report"]), tuple(i["data"] for i in images), tuple(str(i["view"]) for i in images))
