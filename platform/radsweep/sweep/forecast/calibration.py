"""Time a few steps of a trial in this process, before a sweep is started."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex, prepare_in_process
from radsweep.data.loading.epochs import steps_of_epoch
from radsweep.data.loading.prepared import PreparedData
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.sweep.forecast.durations import Expected, longest
from radsweep.sweep.preparation.prepare import has_tokenizer, new_tokenizer, pixels_apart
from radsweep.training import loop
from radsweep.training.context import RunContext
from radsweep.training.schedule import between_validations
from radsweep.training.trainer import TrialRecipe

STEPS = 4  # of warm-up, and the same number timed
MOST_STUDIES = 5_000  # studies that are decoded at most, all splits together
SOURCE = "a calibration of {} steps on this machine"


class Calibration:
    """Measure durations with one trial of each arm; the data is decoded here, once for each image size."""

    def __init__(self, shards: ShardIndex, device: str, say: Callable[[str], None]) -> None:
        self.shards, self.device, self.say = shards, torch.device(device), say
        self._data: dict[tuple[object, ...], PreparedData] = {}

    def seconds(self, trial: Trial, pairs: int, what: str) -> Expected:
        """Estimate a whole trial: its maximum number of steps and its validations, without adaptation stages.

        Raises:
            TrialFailed: the trial could not be trained.
        """
        self.say(f"Calibrating {what}")
        batch = trial.train.batch_size
        few = {
            "data.pairs": min(pairs, STEPS * batch),
            "data.fraction": None,
            "train.until": "steps",
            "train.steps": 2 * STEPS,
            "train.workers": 1,
            "adapt.image.method": "none",
            "adapt.text.method": "none",
        }
        recipe = TrialRecipe(trial_with(trial, few), self._prepared(trial), RunContext(device=self.device))
        training = loop.start(recipe)
        logged = loop.train_epoch(training)
        steps, seconds = training.outcome.steps, training.outcome.seconds["training"]
        while not training.finished:
            logged = loop.train_epoch(training)
        timed = training.outcome.steps - steps
        step = (training.outcome.seconds["training"] - seconds) / timed if timed else seconds / steps
        loop.validate(training, logged)
        validation = training.outcome.seconds["evaluation"]
        whole = longest(trial, pairs)
        between = between_validations(steps_of_epoch(pairs, batch), trial.evaluate.every_steps)
        looks = math.ceil(whole / between) + 1  # the test split counts as one more
        ceiling = trial.train.until == "plateau"
        workers = trial.train.workers
        return Expected(step / workers * whole + validation * looks, ceiling, SOURCE.format(timed or steps))

    def _prepared(self, trial: Trial) -> PreparedData:
        image, text = trial.cached_image, trial.model.text
        key = (pixels_apart(image), text.backbone if has_tokenizer(text) else text.vocabulary)
        if key not in self._data:
            tokenizer = new_tokenizer(text, self.shards)
            own = preprocessing_of(image)
            self._data[key] = prepare_in_process(self.shards, tokenizer, image.size, image.channels, own=own)
        return self._data[key]
