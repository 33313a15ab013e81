"""Memory that decoded images take, and whether they are cached or streamed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.sweep.preparation.evaluation_sets import images_of_sets
from radsweep.sweep.preparation.prepare import has_tokenizer, unpaired_of

SHARE_OF_STORE = 0.5  # that decoded images may take


def source_for(trials: Iterable[Trial], shards: ShardIndex, capacity: float) -> Literal["cached", "streamed"]:
    """Where trials of `data.source: auto` get their training images.

    Args:
        capacity: bytes of the object store of each node.
    """
    trials = list(trials)
    if any(trial.data.folds for trial in trials):
        return "cached"
    return "cached" if decoded_bytes(trials, shards) <= SHARE_OF_STORE * capacity else "streamed"


def decoded_bytes(trials: Sequence[Trial], shards: ShardIndex) -> int:
    """What all images of the splits take once decoded, those that adaptation learns from and those of further sets.

    Once for every size asked, and every tokenizer: what is prepared for one is not shared with another.
    """
    images = sum(index.images for index in shards.splits.values()) + images_of_sets(trials[0].evaluate)
    if "images" in unpaired_of(trials):
        images += shards.manifest.images["images"]["train"]
    made = {(t.model.image.size, t.model.image.channels, _tokens_apart(t)) for t in trials}
    return sum(images * channels * size**2 for size, channels, _ in made)


def _tokens_apart(trial: Trial) -> str:
    """What tells the trial's tokenizer from others; nothing with folds, which share decoded images."""
    text = trial.model.text
    if trial.data.folds:
        return ""
    return text.backbone if has_tokenizer(text) else str(text.vocabulary)
