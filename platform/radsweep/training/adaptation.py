"""Adaptation stages: self-supervision of a tower before trials, by the same loop."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from radsweep.augment.images import augment_images
from radsweep.augment.masking import kept_patches, mask_tokens
from radsweep.augment.random import sample_keys
from radsweep.augment.text import text_batch
from radsweep.config.stages import AdaptationStage, ImageStage, TextStage
from radsweep.data.loading.epochs import batch_bounds, epoch_batches, steps_of_epoch
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.models.features import PatchTower, full_precision
from radsweep.models.image import build_image_tower
from radsweep.models.masked_lm import masked_language_head
from radsweep.models.seeding import seeded_start
from radsweep.models.text import build_text_tower
from radsweep.objectives.image_ssl import Kind, momentum_head, ssl_head, ssl_loss
from radsweep.objectives.masked_patches import MaskedPatchHead
from radsweep.objectives.moco import moco
from radsweep.objectives.text_ssl import masked_head, masked_loss
from radsweep.objectives.views import Rows
from radsweep.training import checkpoint, loop
from radsweep.training.adaptation_data import ImagePool, ReportPool, pool_parts
from radsweep.training.batches import Batch
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.encode import encode_masked, encode_masked_patches, encode_strong_views
from radsweep.training.outcome import Outcome
from radsweep.training.precision import Precision, precision_for

HELD_OUT = 512  # images or reports of the validation split that a stage's loss is measured on
LOSS = "val/loss"


class StageRecipe(loop.Recipe):
    """Base of both kinds of stages: a tower, a head that is thrown away, a pool."""

    every_steps = 100

    def __init__(
        self, stage: AdaptationStage, tower: nn.Module, head: nn.Module, studies: int, context: RunContext
    ) -> None:
        self.rate_key = f"adapt.{stage.kind}.learning_rate"
        self.stage, self.settings, self.context = stage, stage.train, context
        self.learner = nn.ModuleDict({"tower": tower, "head": head}).to(context.device)
        self.result, self.head = tower, head
        self.studies = studies
        loop.check_share(studies, self.workers)
        self.batch_size = min(stage.train.batch_size, studies)
        self.steps_per_epoch = steps_of_epoch(studies, self.batch_size)
        self.outcome = Outcome(pairs=studies)

    def batch(self, numbers: np.ndarray, workers: Workers, epoch: int, held_out: bool = False) -> Batch:
        """This worker's share of a batch; `numbers` are those of the global one."""
        raise NotImplementedError

    def encode(self, batch: Batch) -> tuple[Tensor, ...]:
        """Input of the loss from each of this worker's images or reports, rows first."""
        raise NotImplementedError

    def loss_of(self, features: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """Loss of the global batch, from what all workers encoded."""
        raise NotImplementedError

    def loss(self, batch: Batch, workers: Workers, precision: Precision) -> Tensor:
        """Loss of the global batch."""
        with precision.autocast():
            features = self.encode(batch)
        return self.loss_of(tuple(workers.gather(full_precision(feature)) for feature in features), batch)

    def batches(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        every = epoch_batches(np.arange(self.studies), self.batch_size, self.settings.seed, epoch)
        for numbers in islice(every, done, None):
            yield self.batch(numbers, self.workers, epoch)

    def backward(self, batch: Batch, precision: Precision) -> tuple[float, dict[str, float]]:
        loss = self.loss(batch, self.workers, precision)
        precision.backward(loss)
        return float(loss.detach()), {}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """The loss on held-out images or reports, under the same draws each time."""
        self.learner.eval()
        numbers = np.arange(min(HELD_OUT, self.held_out))
        workers = self.workers if len(numbers) >= self.workers.world else Workers()  # too few to share
        precision, losses = precision_for(self.settings.precision, self.device), []
        for start, stop in batch_bounds(len(numbers), min(self.batch_size, len(numbers))):
            batch = self.batch(numbers[start:stop], workers, 0, held_out=True)
            losses.append(float(self.loss(batch, workers, precision)))
        self.learner.train()
        return {LOSS: float(np.mean(losses))}

    held_out: int


class ImageRecipe(StageRecipe):
    """Base of both ways of learning from images."""

    views: int  # of each image

    def __init__(self, stage: ImageStage, data: PreparedData, context: RunContext) -> None:
        self.adapt = stage.adapt
        with seeded_start(f"{self.adapt.seed}/image"):
            self.tower = build_image_tower(stage.tower)
        self.pool = ImagePool(pool_parts("image", stage.subset, data))
        with seeded_start(f"{self.adapt.seed}/adapt image"):
            head = self.new_head(stage)
        validation = data.splits["validation"]
        self.validation = ImagePool([(validation, np.arange(len(validation.index)))])
        self.held_out = len(self.validation)
        self.augmentation, self.size = stage.augment, stage.tower.size
        super().__init__(stage, self.tower, head, len(self.pool), context)

    def new_head(self, stage: ImageStage) -> nn.Module:
        raise NotImplementedError

    def batch(self, numbers: np.ndarray, workers: Workers, epoch: int, held_out: bool = False) -> Batch:
        pool = self.validation if held_out else self.pool
        own = numbers[workers.share(len(numbers))]
        samples_b = torch.from_numpy(pool.keys_N[own])
        raw = torch.from_numpy(pool.pixels(own)).to(self.device)
        seed = self.settings.seed
        views = tuple(
            augment_images(raw, self.augmentation, keys_b.to(self.device), self.size)
            for keys_b in (sample_keys(seed, samples_b, epoch, view, "adapt image") for view in range(self.views))
        )
        keys_b = sample_keys(seed, samples_b, epoch, 0, "dropout").to(self.device)
        image_B = torch.from_numpy(pool.keys_N[numbers]).to(self.device)
        return Batch(
            len(numbers), (), (), keys_b, ssl_pixels_bCSS=views, rows=Rows(image_B, image_B, image_B, image_B[:, None])
        )


class TwoViewRecipe(ImageRecipe):
    """Base of methods on two strong views of each image. The weights of the last step are kept: SimSiam's loss does not
    separate good features from collapse, and MoCo's depends on the keys that are in the queue."""

    views = 2

    def encode(self, batch: Batch) -> tuple[Tensor, ...]:
        return encode_strong_views(self.tower, self.head, batch.ssl_pixels_bCSS, batch.keys_b)

    def score(self, measured: dict[str, float]) -> float:
        return float(self.outcome.steps)


class SiameseRecipe(TwoViewRecipe):
    """SimCLR or SimSiam."""

    def new_head(self, stage: ImageStage) -> nn.Module:
        method = stage.adapt.method
        assert method == "simclr" or method == "simsiam"
        self.method: Kind = method
        return ssl_head(self.method, self.tower.width, stage.adapt.hidden, stage.adapt.dim)

    def loss_of(self, features: tuple[Tensor, ...], batch: Batch) -> Tensor:
        half = len(features) // 2
        return ssl_loss(self.method, features[:half], features[half:], self.adapt.temperature)


class MomentumRecipe(TwoViewRecipe):
    """MoCo."""

    def new_head(self, stage: ImageStage) -> nn.Module:
        self.momentum = momentum_head(self.tower, stage.adapt, len(self.pool))
        return self.momentum

    def loss_of(self, features: tuple[Tensor, ...], batch: Batch) -> Tensor:
        query_1, key_1, query_2, key_2 = features
        assert batch.rows is not None
        image_B, queue = batch.rows.study_B, self.momentum.queue
        return moco((query_1, key_1), (query_2, key_2), queue, image_B, self.adapt.temperature)

    def stepped(self) -> None:
        self.momentum.follow(self.tower)


class MaskedPatchRecipe(ImageRecipe):
    """Masked autoencoding of a ViT. The weights of the lowest held-out loss are kept."""

    views = 1

    def new_head(self, stage: ImageStage) -> nn.Module:
        assert isinstance(self.tower, PatchTower)
        self.vit, adapt = self.tower, stage.adapt
        return MaskedPatchHead(
            self.vit.width,
            self.vit.patches,
            self.vit.patch,
            stage.tower.channels,
            adapt.decoder_width,
            adapt.decoder_layers,
        )

    def encode(self, batch: Batch) -> tuple[Tensor, ...]:
        kept_bV = kept_patches(batch.keys_b, self.vit.patches, self.adapt.mask)
        return (encode_masked_patches(self.vit, self.head, batch.ssl_pixels_bCSS[0], kept_bV, batch.keys_b),)

    def loss_of(self, features: tuple[Tensor, ...], batch: Batch) -> Tensor:
        return features[0].mean()

    def score(self, measured: dict[str, float]) -> float:
        return -measured[LOSS]


class TextRecipe(StageRecipe):
    """Masked language modelling. The weights of the lowest held-out loss are kept."""

    def __init__(self, stage: TextStage, data: PreparedData, context: RunContext) -> None:
        adapt = stage.adapt
        self.tokenizer = load_tokenizer(data.tokenizer)
        vocabulary = self.tokenizer.vocabulary
        with seeded_start(f"{adapt.seed}/text"):
            self.tower = build_text_tower(stage.tower, vocabulary)
        with seeded_start(f"{adapt.seed}/adapt text"):
            width, pretrained = self.tower.input_embeddings.shape[1], masked_language_head(stage.tower)
            head = masked_head(self.tower.token_width, width, vocabulary, pretrained)
        self.pool = ReportPool(pool_parts("text", stage.subset, data))
        validation = data.splits["validation"]
        self.validation = ReportPool([(validation, np.arange(len(validation.index)))])
        self.held_out = len(self.validation)
        self.adapt, self.text = adapt, stage.tower
        super().__init__(stage, self.tower, head, len(self.pool), context)

    def batch(self, numbers: np.ndarray, workers: Workers, epoch: int, held_out: bool = False) -> Batch:
        pool = self.validation if held_out else self.pool
        own = numbers[workers.share(len(numbers))]
        samples_b, seed = torch.from_numpy(pool.keys_N[own]), self.settings.seed
        reports, special = pool.reports.take(own), self.tokenizer.special
        text = text_batch(reports, special, self.text.max_tokens, self.text.truncation)
        draws_b = sample_keys(seed, samples_b, epoch, 0, "adapt text")
        vocabulary = self.tokenizer.vocabulary
        masked = mask_tokens(text, special, vocabulary, self.adapt.mask, draws_b, self.adapt.mask_unit)
        keys_b = sample_keys(seed, samples_b, epoch, 0, "dropout").to(self.device)
        on_device = type(masked)(*(field.to(self.device) for field in masked))
        return Batch(len(numbers), (), (), keys_b, masked=on_device)

    def encode(self, batch: Batch) -> tuple[Tensor, ...]:
        assert batch.masked is not None
        return encode_masked(self.tower, self.head, batch.masked, batch.keys_b)

    def loss_of(self, features: tuple[Tensor, ...], batch: Batch) -> Tensor:
        return masked_loss(*features)

    def score(self, measured: dict[str, float]) -> float:
        return -measured[LOSS]


IMAGE_RECIPES: dict[str, type[ImageRecipe]] = {
    "simclr": SiameseRecipe,
    "simsiam": SiameseRecipe,
    "moco": MomentumRecipe,
    "mae": MaskedPatchRecipe,
}


def recipe_of(stage: AdaptationStage, data: PreparedData, context: RunContext) -> StageRecipe:
    """The course of a stage's method. Raises: TrialFailed: a pool of fewer than two."""
    if not isinstance(stage, ImageStage):
        return TextRecipe(stage, data, context)
    return IMAGE_RECIPES[stage.adapt.method](stage, data, context)


def adapt(stage: AdaptationStage, data: PreparedData, context: RunContext = RunContext(), *, folder: Path) -> Outcome:
    """Run a stage; the tower's weights are then in `folder/checkpoint`. It resumes from `folder/resume`.

    Args: as `train`.

    Raises:
        TrialFailed: a loss that is not a number, a pool of fewer than two.
        Paused: the context's `report` or `should_continue` returned PAUSE.
    """
    recipe = recipe_of(stage, data, context)
    loop.run_loop(loop.start(recipe), folder)
    if context.workers.rank == 0 and not recipe.outcome.stopped:
        with recipe.outcome.timed("checkpoint"):
            weights = {checkpoint.WEIGHTS: checkpoint.model_tensors(recipe.result)}
            checkpoint.write_folder(folder / "checkpoint", weights, {"stage": stage.model_dump(mode="json")})
            checkpoint.remove_folder(folder / "resume")
    return recipe.outcome


def load_adapted(folder: Path) -> dict[str, Tensor] | None:
    """The tower's weights that `adapt` left in its folder; None if there are none."""
    found = checkpoint.read_folder(folder / "checkpoint")
    return None if found is None else found[0][checkpoint.WEIGHTS]
