"""From a batch to the features that the objective sees, and the loss with its gradient."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from radsweep.augment.random import subkeys
from radsweep.augment.text import TextBatch
from radsweep.models.vlm import TextEmbedding, VisionLanguageModel
from radsweep.objectives.total import total_loss
from radsweep.objectives.views import Views, Words
from radsweep.spec.trial import Objective
from radsweep.training.batches import Batch
from radsweep.training.collectives import Workers
from radsweep.training.dropout import seeded

LIKE_LENGTH = 16  # texts encoded together on a CPU


def backward(
    model: VisionLanguageModel, batch: Batch, objective: Objective, workers: Workers, parts: int = 1
) -> tuple[float, dict[str, float]]:
    """Add this worker's gradients of the batch; their mean over workers is the gradient of the whole batch.

    parts > 1 (GradCache, Gao et al. 2021): features of all parts without a graph, the loss on all of them, then the
    graph of one part at a time. The memory is that of a part; every negative of the batch is kept. Dropout is seeded
    by sample, so both passes see the same features.

    Returns:
        The loss of the global batch, and what to log.
    """
    if parts == 1:
        loss, logged = total_loss(_views(model, _encode(model, batch), batch, workers), objective)
        loss.backward()
        return float(loss.detach()), logged
    size = -(-len(batch.keys_b) // parts)
    pieces = [batch.part(slice(start, start + size)) for start in range(0, len(batch.keys_b), size)]
    with torch.no_grad():
        encoded = [_encode(model, piece) for piece in pieces]
    cached = [torch.cat(features).requires_grad_() for features in zip(*encoded, strict=True)]
    loss, logged = total_loss(_views(model, cached, batch, workers), objective)
    loss.backward()
    gradients = zip(*(feature.grad.split(size) for feature in cached if feature.grad is not None), strict=True)
    for piece, gradient in zip(pieces, gradients, strict=True):
        torch.autograd.backward(_encode(model, piece), list(gradient))
    return float(loss.detach()), logged


def _encode(model: VisionLanguageModel, batch: Batch) -> list[Tensor]:
    """Image embeddings, text embeddings, regions, tokens: one tensor a view; no regions or tokens without local."""
    views = len(batch.pixels_bCSS)
    pixels = torch.cat(batch.pixels_bCSS) if views > 1 else batch.pixels_bCSS[0]
    keys = [subkeys(batch.keys_b, f"view {view}") for view in range(max(views, len(batch.texts)))]
    with seeded(model.image, torch.cat(keys[:views])):
        image, regions = model.embed_images(pixels)
    texts = [_embed_texts(model, text, keys_b) for text, keys_b in zip(batch.texts, keys, strict=False)]
    features = [*image.chunk(views), *(embedding for embedding, _ in texts)]
    if regions is not None:
        features += [*regions.chunk(views), *(tokens for _, tokens in texts if tokens is not None)]
    return [feature.to(torch.promote_types(feature.dtype, torch.float32)) for feature in features]


def _embed_texts(model: VisionLanguageModel, text: TextBatch, keys_b: Tensor) -> TextEmbedding:
    """On a CPU in groups of like length: half of a batch of reports is padding otherwise, and time goes by tokens."""
    if text.ids_BL.device.type != "cpu":
        with seeded(model.text, keys_b):
            return model.embed_texts(text.ids_BL, text.mask_BL)
    lengths_b = text.mask_BL.sum(dim=1)
    order_b = lengths_b.argsort(stable=True)
    embeddings, tokens = [], []
    for rows in order_b.split(LIKE_LENGTH):
        longest = int(lengths_b[rows].max())
        with seeded(model.text, keys_b[rows]):
            found = model.embed_texts(text.ids_BL[rows, :longest], text.mask_BL[rows, :longest])
        embeddings.append(found.text_BD)
        if found.tokens_BLD is not None:
            tokens.append(functional.pad(found.tokens_BLD, (0, 0, 0, text.ids_BL.shape[1] - longest)))
    back_b = order_b.argsort()
    return TextEmbedding(torch.cat(embeddings)[back_b], torch.cat(tokens)[back_b] if tokens else None)


def _views(model: VisionLanguageModel, features: list[Tensor], batch: Batch, workers: Workers) -> Views:
    images, texts = len(batch.pixels_bCSS), len(batch.texts)
    gathered = [workers.gather(feature) for feature in features[: images + texts]]
    local = features[images + texts :]
    return Views(
        image_BD=tuple(gathered[:images]),
        text_BD=tuple(gathered[images:]),
        scale=model.logit_scale.exp(),
        bias=model.logit_bias,
        own_regions_bRD=tuple(local[:images]),
        words=tuple(
            _gather_words(tokens, text.words_BL, workers)
            for tokens, text in zip(local[images:], batch.texts, strict=False)
        ),
        gather=workers.gather,
    )


def _gather_words(tokens_bLD: Tensor, word_bL: Tensor, workers: Workers) -> Words:
    missing = workers.largest(tokens_bLD.shape[1]) - tokens_bLD.shape[1]
    tokens = functional.pad(tokens_bLD, (0, 0, 0, missing))
    words = functional.pad(word_bL, (0, missing), value=-1)
    return Words(workers.gather(tokens), workers.gather(words))
