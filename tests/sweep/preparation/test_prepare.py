"""Trials share decoded images if nothing that decides the pixels differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ray

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data import storage
from radsweep.data.images.codec import decode_square
from radsweep.data.images.preprocessing import Preprocessing, decode_as
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.store.store import Store
from radsweep.sweep.identity.cell_key import cell_key
from radsweep.sweep.preparation.image_memory import decoded_bytes
from radsweep.sweep.preparation.prepare import Preparations, pixels_apart, preparation_key


def trial_of(shards: Path, model: Path, **values: Any) -> Trial:
    whole = {"pretrained": str(model), "dim": 24, "image": {"size": 32}, "text": {"max_tokens": 32}}
    return trial_with(Trial.model_validate({"data": {"shards": str(shards)}, "model": whole}), values)


def test_row_10_arms_with_another_preprocessing_never_share_pixels(phantom: Path, public_model: Path) -> None:
    letterbox = trial_of(phantom, public_model)
    own = trial_of(phantom, public_model, **{"model.image.preprocessing": "own"})
    assert preparation_key(letterbox, "tokenizer") != preparation_key(own, "tokenizer")
    assert preparation_key(letterbox, "tokenizer").startswith("32-1-"), "the key that it had before"
    assert cell_key(letterbox, "data", "cpu") != cell_key(own, "data", "cpu")
    shards = read_index(phantom)
    assert decoded_bytes([letterbox, own], shards) == 2 * decoded_bytes([own], shards)


def test_towers_of_one_geometry_share_pixels_whatever_their_normalisation(phantom: Path) -> None:
    resnet, convnext = (
        {"model.image.backbone": name, "model.image.weights": "imagenet", "model.image.preprocessing": "own"}
        for name in ("resnet50", "resnet101")
    )
    base = Trial.model_validate({"data": {"shards": str(phantom)}})
    assert pixels_apart(trial_with(base, resnet).model.image) == pixels_apart(trial_with(base, convnext).model.image)


def test_row_10_the_pixels_are_those_of_the_preprocessing(phantom: Path, public_model: Path) -> None:
    shards = read_index(phantom)
    own = Preprocessing("shortest", 20, 16, "bicubic", (0.5,), (0.5,))
    whole, cropped = (
        prepare_in_process(shards, str(public_model), 16, 1, own=each).splits["test"] for each in (None, own)
    )
    every = np.arange(whole.index.images)
    assert whole.pixels(every).shape == cropped.pixels(every).shape == (len(every), 1, 16, 16)
    assert not np.array_equal(whole.pixels(every), cropped.pixels(every))
    study = next(storage.parquet(shards.paths("test")[0]).iter_batches(1)).to_pylist()[0]
    index = shards.splits["test"]
    image = index.first_image_S1[[index.study_ids.index(study["study_id"])]]
    assert np.array_equal(cropped.pixels(image)[0], decode_as(study["images"][0]["data"], own, 1))


def test_row_10_a_sweep_prepares_the_pixels_of_each_preprocessing(
    phantom: Path, short_folder: Path, ray_session: None
) -> None:
    """Also with folds, which share decoded images."""
    changes = {
        "model.image.preprocessing": "own",
        "model.image.backbone": "resnet18",
        "model.image.weights": "imagenet",
    }
    for folds in ({}, {"data.folds": 3}):
        base = trial_with(Trial.model_validate({"data": {"shards": str(phantom)}}), {"model.image.size": 28} | folds)
        trials = [base, trial_with(base, changes)]
        preparations = Preparations(read_index(phantom), Store(short_folder / "prepared"), Console())
        preparations.make(trials)
        assert len(preparations.made) == 2
        whole, cropped = (
            ray.get(preparations.made[preparations.key(trial)].reference).materialise(ray.get).splits["test"]
            for trial in trials
        )
        every = np.arange(whole.index.images)
        assert len(every) > 10
        assert whole.index.study_ids == cropped.index.study_ids
        own = preprocessing_of(trials[1].model.image)
        assert own is not None
        pictures = pictures_of(phantom)
        for row, study in enumerate(whole.index.study_ids):
            first = whole.index.first_image_S1[[row]]
            assert np.array_equal(whole.pixels(first)[0], decode_square(pictures[study], 28, 1))
            assert np.array_equal(cropped.pixels(first)[0], decode_as(pictures[study], own, 1))


def pictures_of(phantom: Path) -> dict[str, bytes]:
    """The first picture of each study."""
    shards = read_index(phantom)
    batches = (batch for path in shards.paths() for batch in storage.parquet(path).iter_batches())
    return {study["study_id"]: study["images"][0]["data"] for batch in batches for study in batch.to_pylist()}
