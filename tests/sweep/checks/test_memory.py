"""Decoded images that do not fit into the object store are refused or streamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.cluster import trial_capacity
from radsweep.cluster.trial_capacity import Node
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import read_index
from radsweep.errors import InputError
from radsweep.sweep.checks.memory import check_memory, decide_source
from radsweep.sweep.preparation.image_memory import decoded_bytes


def trial(phantom: Path, **values: Any) -> Trial:
    return trial_with(Trial.model_validate({"data": {"shards": str(phantom)}}), values)


def test_images_that_the_object_store_cannot_hold_are_refused_with_both_numbers(phantom: Path) -> None:
    shards = read_index(phantom)
    large = trial(phantom, **{"model.image.size": 1024, "model.image.channels": 3})
    images = sum(index.images for index in shards.splits.values())
    needed = images * 3 * 1024**2
    check_memory([large], shards, needed)
    with pytest.raises(InputError, match=rf"^data.source: .* {needed / 2**30:.1f} GiB, .* set data.source to str"):
        check_memory([large], shards, needed - 1)


def test_memory_counts_images_at_the_side_that_they_are_cached_at(phantom: Path) -> None:
    shards = read_index(phantom)
    usual = trial(phantom, **{"model.image.size": 64})
    larger = trial(phantom, **{"model.image.size": 64, "augment.source_size": 160})
    assert decoded_bytes([larger], shards) * 64**2 == decoded_bytes([usual], shards) * 160**2
    assert decoded_bytes([usual, larger], shards) == decoded_bytes([usual], shards) + decoded_bytes([larger], shards)
    with pytest.raises(InputError, match=r"augment\.source_size 32 is less than model\.image\.size 64"):
        trial(phantom, **{"model.image.size": 64, "augment.source_size": 32})


@pytest.fixture
def small_stores(monkeypatch: pytest.MonkeyPatch, phantom: Path) -> Callable[[float], None]:
    """`small_stores(part)`: one of two nodes has an object store for this share of the phantom's images."""
    needed = decoded_bytes([trial(phantom)], read_index(phantom))

    def set_to(part: float) -> None:
        monkeypatch.setattr(trial_capacity, "nodes", lambda: [Node(4, 0, 100 * needed), Node(4, 0, part * needed)])

    return set_to


def experiment(phantom: Path, **parts: Any) -> Experiment:
    return Experiment.model_validate({"experiment": "mine", "data": {"shards": str(phantom)}} | parts)


def test_images_are_cached_if_each_node_has_memory_for_all_of_them(
    small_stores: Callable[[float], None], phantom: Path
) -> None:
    shards, asked = read_index(phantom), experiment(phantom)
    small_stores(2)
    assert decide_source(asked, shards).data.source == "cached"
    small_stores(1.9)
    assert decide_source(asked, shards).data.source == "streamed"


@pytest.mark.parametrize(("began", "part"), [("streamed", 9), ("cached", 1)])
def test_a_resumed_sweep_keeps_the_source_of_its_images(
    small_stores: Callable[[float], None], phantom: Path, began: str, part: float
) -> None:
    small_stores(part)
    assert decide_source(experiment(phantom), read_index(phantom), began).data.source == began
    stated = experiment(phantom, data={"shards": str(phantom), "source": "cached"})
    assert decide_source(stated, read_index(phantom), began).data.source == "cached"


def test_a_resumed_sweep_whose_images_no_longer_fit_is_refused_with_a_remedy(
    small_stores: Callable[[float], None], phantom: Path
) -> None:
    small_stores(0.9)
    with pytest.raises(InputError, match=r"^data.source: .* began with cached images; .* leave --resume out"):
        decide_source(experiment(phantom), read_index(phantom), "cached")


def test_a_tower_cannot_be_adapted_on_streamed_images(small_stores: Callable[[float], None], phantom: Path) -> None:
    small_stores(0.9)
    adapted = experiment(phantom, adapt={"image": {"method": "simclr"}})
    with pytest.raises(InputError, match=r"^adapt.image: .* set data.source to cached"):
        decide_source(adapted, read_index(phantom))


def test_further_sets_and_every_tokenizer_take_memory(phantom: Path) -> None:
    shards, base = read_index(phantom), trial(phantom)
    alone, of_test = decoded_bytes([base], shards), shards.splits["test"].images
    shape = base.model.image.size**2 * base.model.image.channels
    beside = trial(phantom, **{"evaluate.sets": [str(phantom)], "evaluate.tasks": ["retrieval", "zero_shot"]})
    assert decoded_bytes([beside], shards) == alone + of_test * shape
    probed = trial_with(beside, {"evaluate.tasks": ["retrieval", "linear_probe"]})
    assert decoded_bytes([probed], shards) == 2 * alone
    other = trial_with(base, {"model.text.vocabulary": 500})
    assert decoded_bytes([base, other], shards) == 2 * alone
    folds = [trial_with(one, {"data.folds": 3}) for one in (base, other)]
    assert decoded_bytes(folds, shards) == alone
