"""Further data sets that an evaluation reads."""

from __future__ import annotations

from radsweep.config.evaluation import Evaluate
from radsweep.data.loading.decode import LABELLED, ShardIndex, read_labelled
from radsweep.data.shards.dataset import read_manifest
from radsweep.data.shards.schema import SPLITS, Split


def read_sets(evaluate: Evaluate) -> list[ShardIndex]:
    """Read the index of each of `evaluate.sets`, with the splits that the tasks need.

    Raises:
        InputError: as `read_labelled`.
    """
    return [read_labelled(folder, _splits_read(evaluate)) for folder in evaluate.sets]


def images_of_sets(evaluate: Evaluate) -> int:
    """Number of images in everything that `read_sets` reads, from the manifests only.

    Raises:
        InputError: a data set does not exist.
    """
    images = [read_manifest(folder).images for folder in evaluate.sets]
    return sum(each[kind][split] for each in images for kind in LABELLED for split in _splits_read(evaluate))


def _splits_read(evaluate: Evaluate) -> tuple[Split, ...]:
    return SPLITS if "linear_probe" in evaluate.tasks else ("test",)
