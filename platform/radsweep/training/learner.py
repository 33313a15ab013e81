"""The modules that a trial trains, and the loss and gradient of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.augment.random import subkeys
from radsweep.config.objective import Objective
from radsweep.config.trial import Trial
from radsweep.models.features import ImageFeatures, TextFeatures, full_precision
from radsweep.models.masked_lm import masked_language_head
from radsweep.models.vlm import VisionLanguageModel
from radsweep.objectives.moco import MomentumHead
from radsweep.objectives.total import build_heads, total_loss
from radsweep.objectives.views import Views, Widths, Words
from radsweep.training.batches import Batch
from radsweep.training.collectives import Workers
from radsweep.training.dropout import seeded
from radsweep.training.encode import OUTPUTS, in_groups
from radsweep.training.precision import Precision

Features = dict[str, Tensor]  # of this worker's studies, rows first; `image 0` is the first image view's, and so on


class Learner(nn.Module):
    """Heads are not kept when a trial has ended; a checkpoint that it resumes from has them."""

    def __init__(self, model: VisionLanguageModel, trial: Trial, vocabulary: int, studies: int) -> None:
        """`studies`: number that the trial trains on."""
        super().__init__()
        self.model = model
        widths = Widths(
            image=model.image.width,
            text=model.text.width,
            tokens=model.text.token_width,
            token_embeddings=model.text.input_embeddings.shape[1],
            vocabulary=vocabulary,
            dim=trial.model.dim,
            studies=studies,
            image_tower=model.image,
            pretrained_mlm=lambda: masked_language_head(trial.model.text),
        )
        self.heads = build_heads(trial.objective, widths, trial.train.seed)

    def stepped(self) -> None:
        """After each step of the optimiser."""
        self.model.clamp_logit_scale()
        for head in self.heads.values():
            if isinstance(head, MomentumHead):
                head.follow(self.model.image)


def backward(
    learner: Learner,
    batch: Batch,
    objective: Objective,
    workers: Workers,
    parts: int = 1,
    precision: Precision | None = None,
) -> tuple[float, dict[str, float]]:
    """Add this worker's gradients of the batch; their mean over workers is the gradient of the whole batch.

    parts > 1 (GradCache, Gao et al. 2021): features of all parts without a graph, the loss on all of them, then the
    graph of one part at a time. The memory is that of a part; every negative of the batch is kept. Dropout is seeded
    by sample, so both passes see the same features.

    Args:
        precision: of the towers and heads; None is float32. Its scaler's factor is in the gradients.

    Returns:
        The loss of the global batch, and what to log.
    """
    precision = precision or Precision()
    if parts == 1:
        with precision.autocast():
            features = _encode(learner, batch, objective)
        loss, logged = total_loss(_views(learner, features, batch, workers), objective)
        precision.backward(loss)
        return float(loss.detach()), logged
    size = -(-len(batch.keys_b) // parts)
    pieces = [batch.part(slice(start, start + size)) for start in range(0, len(batch.keys_b), size)]
    with torch.no_grad(), precision.autocast():
        encoded = [_encode(learner, piece, objective) for piece in pieces]
    cached = {name: torch.cat([features[name] for features in encoded]).requires_grad_() for name in encoded[0]}
    loss, logged = total_loss(_views(learner, cached, batch, workers), objective)
    precision.backward(loss)
    gradients = {name: feature.grad.split(size) for name, feature in cached.items() if feature.grad is not None}
    for number, piece in enumerate(pieces):
        with precision.autocast():
            features = _encode(learner, piece, objective)
        graphs = [name for name in gradients if features[name].requires_grad]  # a frozen tower's may have none
        torch.autograd.backward([features[name] for name in graphs], [gradients[name][number] for name in graphs])
    return float(loss.detach()), logged


def _encode(learner: Learner, batch: Batch, objective: Objective) -> Features:
    """The features of every view, with those of the terms that have a weight; in float32 at least."""
    model, heads = learner.model, learner.heads
    views = len(batch.pixels_bCSS or batch.image_bP)
    keys = [subkeys(batch.keys_b, f"view {view}") for view in range(max(views, len(batch.texts)))]
    if batch.image_bP:
        image = model.project_images(ImageFeatures(torch.cat(batch.image_bP), None))
    else:
        with seeded(model.image, torch.cat(keys[:views])):
            image = model.embed_images(torch.cat(batch.pixels_bCSS) if views > 1 else batch.pixels_bCSS[0])
    features = {f"image {view}": part for view, part in enumerate(image.image_BD.chunk(views))}
    if image.regions_BRD is not None:
        features |= {f"regions {view}": part for view, part in enumerate(image.regions_BRD.chunk(views))}
    for view, (text, keys_b) in enumerate(zip(batch.texts, keys, strict=False)):
        features |= {f"{name} {view}": part for name, part in _embed_texts(model, text.ids_BL, text.mask_BL, keys_b)}
    for view, pooled_bP in enumerate(batch.text_bP):
        features[f"text {view}"] = model.project_texts(TextFeatures(pooled_bP, None)).text_BD
    for name, head in heads.items():
        needs = objective.terms[name].needs
        outputs = [rows for need, encode in OUTPUTS.items() if need in needs for rows in encode(model, head, batch)]
        features |= {f"output of {name} {number}": rows for number, rows in enumerate(outputs)}
    return {name: full_precision(feature) for name, feature in features.items()}


def _embed_texts(
    model: VisionLanguageModel, ids_bL: Tensor, mask_bL: Tensor, keys_b: Tensor
) -> list[tuple[str, Tensor]]:
    def embed(ids_gL: Tensor, mask_gL: Tensor, rows_g: Tensor) -> tuple[Tensor, ...]:
        with seeded(model.text, keys_b[rows_g]):
            found = model.embed_texts(ids_gL, mask_gL)
        if found.tokens_BLD is None:
            return (found.text_BD,)
        return found.text_BD, functional.pad(found.tokens_BLD, (0, 0, 0, ids_bL.shape[1] - ids_gL.shape[1]))

    return list(zip(("text", "tokens"), in_groups(ids_bL, mask_bL, embed), strict=False))


def _views(learner: Learner, features: Features, batch: Batch, workers: Workers) -> Views:
    def gathered(kind: str) -> tuple[Tensor, ...]:
        return tuple(workers.gather(feature) for name, feature in features.items() if name.startswith(f"{kind} "))

    own_regions = tuple(feature for name, feature in features.items() if name.startswith("regions "))
    tokens = [feature for name, feature in features.items() if name.startswith("tokens ")]
    heads, model = learner.heads, learner.model
    return Views(
        image_BD=gathered("image"),
        text_BD=gathered("text"),
        scale=model.logit_scale.exp(),
        bias=model.logit_bias,
        own_regions_bRD=own_regions,
        words=tuple(
            _gather_words(part, text.words_BL, workers) for part, text in zip(tokens, batch.texts, strict=False)
        ),
        gather=workers.gather,
        relations=batch.relations,
        similarity_BB=batch.similarity_BB,
        rows=batch.rows,
        heads=dict(heads.items()),
        outputs={name: gathered(f"output of {name}") for name in heads},
    )


def _gather_words(tokens_bLD: Tensor, word_bL: Tensor, workers: Workers) -> Words:
    missing = workers.largest(tokens_bLD.shape[1]) - tokens_bLD.shape[1]
    tokens = functional.pad(tokens_bLD, (0, 0, 0, missing))
    words = functional.pad(word_bL, (0, missing), value=-1)
    return Words(workers.gather(tokens), workers.gather(words))
