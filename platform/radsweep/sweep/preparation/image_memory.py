"""Memory that decoded images take, and whether they are cached or streamed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.sweep.preparation.evaluation_sets import images_of_sets
from radsweep.sweep.preparation.prepare import has_tokenizer, pixels_apart, unpaired_of

SHARE_OF_STORE = 0.5  # share of the object store that decoded images may take


def source_for(trials: Iterable[Trial], shards: ShardIndex, capacity: float) -> Literal["cached", "streamed"]:
    """Decide where trials with `data.source: auto` get their training images.

    Args:
        capacity: bytes of the object store of each node.
    """
    trials = list(trials)
    if any(trial.data.folds for trial in trials):
        return "cached"
    return "cached" if decoded_bytes(trials, shards) <= SHARE_OF_STORE * capacity else "streamed"


def decoded_bytes(trials: Sequence[Trial], shards: ShardIndex) -> int:
    """Bytes of all decoded images: those of the splits, of adaptation stages and of further sets.

    They count once for each image size, preprocessing and tokenizer, which do not share prepared data.
    """
    images = sum(index.images for index in shards.splits.values()) + images_of_sets(trials[0].evaluate)
    if "images" in unpaired_of(trials):
        images += shards.manifest.images["images"]["train"]
    made = {(pixels_apart(t.cached_image), _tokens_apart(t)): t.cached_image for t in trials}
    return sum(images * image.channels * image.size**2 for image in made.values())


def _tokens_apart(trial: Trial) -> str:
    """Identify the trial's tokenizer; empty with folds, which share decoded images."""
    text = trial.model.text
    if trial.data.folds:
        return ""
    return text.backbone if has_tokenizer(text) else str(text.vocabulary)
