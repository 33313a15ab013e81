from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radsweep.data.decode import read_index
from radsweep.errors import InputError
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Trial
from radsweep.sweep.reach import check_room, missing


def trial(phantom: Path, **values: Any) -> Trial:
    return trial_with(Trial.model_validate({"data": {"shards": str(phantom)}}), values)


def test_images_that_the_object_store_cannot_hold_are_refused_with_both_numbers(phantom: Path) -> None:
    shards = read_index(phantom)
    large = trial(phantom, **{"model.image.size": 1024, "model.image.channels": 3})
    images = sum(index.images for index in shards.splits.values())
    needed = images * 3 * 1024**2
    check_room([large], shards, needed, "a.yaml")
    with pytest.raises(
        InputError, match=rf"a.yaml: data.source: .* {needed / 2**30:.1f} GiB .* set data.source to str"
    ):
        check_room([large], shards, needed - 1, "a.yaml")


def test_a_node_says_what_it_does_not_see(tmp_path: Path) -> None:
    (path, why), *rest = missing([str(tmp_path), str(tmp_path / "manifest.json")]).items()
    assert (path, rest) == (str(tmp_path / "manifest.json"), [])
    assert "that all nodes share" in why
