"""Prepare data once for all trials that share it: decoded images, splits and tokens."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from radsweep.augment.masking import mask_id
from radsweep.config.model import ImageTower, TextTower
from radsweep.config.stages import Fold, adaptations_of, fold_of_trial, stages_of
from radsweep.config.terms import Need
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.folds import fold_of, resplit
from radsweep.data.loading.prepared import PreparedData, Unpaired
from radsweep.data.loading.stream import prepare_data
from radsweep.data.loading.subsets import seeded_order, subset_size
from radsweep.data.text.tokenizer import load_tokenizer, train_tokenizer
from radsweep.filesystem import write_atomically
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.store.store import Store
from radsweep.sweep.preparation.evaluation_sets import read_sets

UNPAIRED_OF: dict[Literal["image", "text"], Unpaired] = {"image": "images", "text": "reports"}


@dataclass(frozen=True)
class Prepared:
    """Reference to prepared data in the object store. Trials name it by `key`."""

    key: str
    reference: Any


def has_tokenizer(text: TextTower) -> bool:
    """True if the backbone has its own tokenizer; else one is trained on the reports."""
    return not (text.backbone.startswith("tiny-") or text.weights == "scratch")


def tokenizer_of(trial: Trial, shards: ShardIndex, store: Store) -> str:
    """Return the argument of `load_tokenizer`: the backbone's own, or one trained on all reports of the training split.

    Args:
        shards: index of the trial's fold, if it has one.
    """
    text = trial.model.text
    if has_tokenizer(text):
        return text.backbone
    file = store.tokenizer_file(shards.manifest.fingerprint, text.vocabulary, _fold_name(trial))
    if not file.exists():
        write_atomically(file, new_tokenizer(text, shards))
    return file.read_text(encoding="utf-8")


def new_tokenizer(text: TextTower, shards: ShardIndex) -> str:
    """Return the same without the store: one that is trained is trained again."""
    if has_tokenizer(text):
        return text.backbone
    rows = zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True)
    return train_tokenizer(rows, text.vocabulary)


def pixels_apart(image: ImageTower) -> str:
    """Return a key; towers with equal keys share decoded images."""
    key, own = f"{image.size}-{image.channels}", preprocessing_of(image)
    return key if own is None else f"{key}-{hashlib.sha256(repr(own.geometry).encode()).hexdigest()[:12]}"


def preparation_key(trial: Trial, tokenizer: str) -> str:
    """Return a key; trials with equal keys share decoded images, splits and tokens."""
    tokens = hashlib.sha256(tokenizer.encode()).hexdigest()[:12]
    return f"{pixels_apart(trial.cached_image)}-{tokens}{_fold_name(trial)}"


def _fold_name(trial: Trial) -> str:
    fold = fold_of_trial(trial)
    return "" if fold is None else f"-fold-{fold.fold}-of-{fold.folds}"


def unpaired_of(trials: Iterable[Trial]) -> tuple[Unpaired, ...]:
    """Return the kinds of unpaired studies that the trials' adaptation stages learn from."""
    stages = [stage for trial in trials for stage in adaptations_of(trial).values()]
    kinds = {stage.kind for stage in stages if stage.subset is None}
    return tuple(unpaired for kind, unpaired in UNPAIRED_OF.items() if kind in kinds)


class Preparations:
    """Prepared data of a sweep, each made once, for the studies that its trials use."""

    def __init__(self, shards: ShardIndex, store: Store, console: Console) -> None:
        self.shards, self.store, self.console = shards, store, console
        self.made: dict[str, Prepared] = {}
        self.decoded = 0  # images
        self.folds: dict[Fold, ShardIndex] = {}
        self.tokenizers: dict[tuple[str, str, int, Fold | None], str] = {}

    @property
    def references(self) -> dict[str, list[Any]]:
        """{key: [reference]}, in a list so that Ray passes on the reference and not the data."""
        return {key: [prepared.reference] for key, prepared in self.made.items()}

    def make(self, trials: Iterable[Trial], every_study: bool = False) -> None:
        """Prepare everything that these trials need. `every_study`: their subsets are not known in advance."""
        import ray

        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            alike.setdefault(self.key(trial), []).append(trial)
        unpaired = unpaired_of(trial for some in alike.values() for trial in some)
        whole: dict[str, PreparedData] = {}  # data that is split into folds, by `pixels_apart`
        for key, some in alike.items():
            example = some[0]
            if any(map(_masks_tokens, some)):
                mask_id(load_tokenizer(self.tokenizer(example)).special)  # refuses a tokenizer without a mask
            if example.data.folds is None:
                data = self._decoded(example, unpaired_of(some), self._wanted(some, every_study))
            else:
                pixels = pixels_apart(example.cached_image)
                if pixels not in whole:
                    whole[pixels] = self._decoded(example, unpaired, {})
                data = resplit(whole[pixels], self.shards_of(example), self.tokenizer(example))
            self.made[key] = Prepared(key, ray.put(data))

    def key(self, trial: Trial) -> str:
        return preparation_key(trial, self.tokenizer(trial))

    def shards_of(self, trial: Trial) -> ShardIndex:
        """Return the index of the trial's splits."""
        fold = fold_of_trial(trial)
        if fold is None:
            return self.shards
        if fold not in self.folds:
            self.folds[fold] = fold_of(self.shards, fold.folds, fold.fold)
        return self.folds[fold]

    def tokenizer(self, trial: Trial) -> str:
        """Return the argument of `load_tokenizer`, read or trained once for each text tower and fold."""
        text = trial.model.text
        tower = (text.backbone, text.weights, text.vocabulary, fold_of_trial(trial))
        if tower not in self.tokenizers:
            self.tokenizers[tower] = tokenizer_of(trial, self.shards_of(trial), self.store)
        return self.tokenizers[tower]

    def _decoded(self, example: Trial, unpaired: tuple[Unpaired, ...], wanted: dict[str, np.ndarray]) -> PreparedData:

        image, tokenizer = example.cached_image, self.tokenizer(example)
        streamed = example.data.source == "streamed"
        total = sum(index.images for index in self.shards.splits.values())
        total += self.shards.manifest.images["images"]["train"] if "images" in unpaired else 0
        with self.console.task(f"Decoding images to {image.size} x {image.size}", total) as advance:
            own, shape = preprocessing_of(image), (image.size, image.channels)
            data = prepare_data(self.shards, tokenizer, *shape, wanted, streamed, unpaired, advance, own)
            sets = prepared_sets(example, tokenizer)  # the same for all trials
            decoded = data.decoded + sum(each.decoded for each in sets)
            advance(decoded)
        self.decoded += decoded
        return dataclasses.replace(data, sets=sets)

    def _wanted(self, some: list[Trial], every_study: bool) -> dict[str, np.ndarray]:
        """Return the rows of the training split that trials use; empty if they may use any."""
        if every_study or "images" in unpaired_of(some) or any(map(_reads_all_images, some)):
            return {}
        return {"train": np.array(sorted({row for trial in some for row in self._rows(trial)}))}

    def _rows(self, trial: Trial) -> list[int]:
        index = self.shards.splits["train"]
        size = subset_size(len(index), trial.data.pairs, trial.data.fraction)
        return seeded_order(index.study_ids, index.patient_ids, trial.data.seed)[:size]


def _reads_all_images(trial: Trial) -> bool:
    return "image features" in stages_of(trial) or "linear_probe" in trial.evaluate.tasks


def prepared_sets(trial: Trial, tokenizer: str) -> tuple[PreparedData, ...]:
    """Prepare the data sets of `evaluate.sets`, with the splits that the tasks read."""

    image, sets = trial.cached_image, read_sets(trial.evaluate)
    own = preprocessing_of(image)
    return tuple(prepare_data(each, tokenizer, image.size, image.channels, {}, own=own) for each in sets)


def unread(trial: Trial) -> dict[str, np.ndarray]:
    """Return `wanted` of `prepare_data` for an evaluation: no studies of splits that it does not read."""
    splits = () if "linear_probe" in trial.evaluate.tasks else ("train", "validation")
    return {split: np.empty(0, dtype=np.int64) for split in splits}


def _masks_tokens(trial: Trial) -> bool:
    return Need.MASKED_TOKENS in trial.objective.needs or trial.adapt.text.method == "mlm"
