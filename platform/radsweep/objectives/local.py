"""Local contrast: words attend to image regions (GLoRIA, Huang et al. 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from radsweep.config.objective import Local
from radsweep.models.features import full_precision
from radsweep.objectives.infonce import half_sum
from radsweep.objectives.views import TermOutput, Views, Words, mean, text_relations

LIKE_LENGTH = 16  # texts scored together on a CPU: padding costs as much as words
# of the attention at once, by device: a CPU is fastest where they stay in its cache
CHUNK_ELEMENTS = {"cpu": 500_000, "cuda": 16_000_000}


def local(views: Views, settings: Local) -> TermOutput:
    """Half the sum of row and column cross-entropies over temp3 * Z(image, text), eq. 9 to 11 of the paper.

    Targets are those of `infonce`. GLoRIA adds both directions of its global and of its local loss: beside `contrast`,
    which takes half the sum as CLIP does, equal weights give GLoRIA's ratio. A worker scores its own images against all
    texts; the scores, not the regions, are gathered.
    """
    losses = []
    for regions_bRD in views.own_regions_bRD:
        for words, relation_BB in zip(views.words, text_relations(views), strict=True):
            scores_BB = settings.logits * views.gather(local_scores(regions_bRD, words, settings))
            losses.append(half_sum(scores_BB, relation_BB))
    return TermOutput(mean(losses), {})


def local_scores(regions_bRD: Tensor, words: Words, settings: Local) -> Tensor:
    """Z [b, B] of b images and B texts: the one scorer of training and evaluation.

    a = v_r . t_l without normalisation; softmax over words, then over regions of temp1 * a, gives alpha; the context
    of a word is c_l = sum_r alpha_rl v_r; Z = log sum_l exp(temp2 cos(t_l, c_l)). What is more than CHUNK_ELEMENTS is
    computed in chunks of images, and again in the backward pass, so memory does not grow with b; on a CPU texts of
    like length are scored together. Never under autocast: noise of bf16 scores is as large as their spread.
    """
    with torch.autocast(regions_bRD.device.type, enabled=False):
        return _local_scores(full_precision(regions_bRD), words, settings)


def _local_scores(regions_bRD: Tensor, words: Words, settings: Local) -> Tensor:
    words_BWD, mask_BW = sum_pieces(Words(full_precision(words.tokens_BLD), words.word_BL))
    device = words_BWD.device.type
    found, order_B = [], mask_BW.sum(1).argsort(stable=True)
    for rows_G in order_B.split(LIKE_LENGTH if device == "cpu" else len(order_B)):
        longest = int(mask_BW[rows_G].sum(1).max())
        given = (regions_bRD, words_BWD[rows_G, :longest], mask_BW[rows_G, :longest])
        size = CHUNK_ELEMENTS[device] // max(1, len(rows_G) * longest * regions_bRD.shape[1])
        temperatures = settings.attention, settings.context
        whole = len(regions_bRD) <= size
        found.append(_scores(*given, *temperatures) if whole else _InChunks.apply(*given, *temperatures, max(1, size)))
    return torch.cat(found, dim=1)[:, order_B.argsort()]


def sum_pieces(words: Words) -> tuple[Tensor, Tensor]:
    """Word features [B, W, D], each the sum of its pieces, and which of them are words [B, W]."""
    tokens_BLD, word_BL = words
    count = int(word_BL.max()) + 1
    real_BL1 = (word_BL >= 0).unsqueeze(-1)
    index_BLD = word_BL.clamp(min=0).unsqueeze(-1).expand_as(tokens_BLD)
    empty = tokens_BLD.new_zeros(len(tokens_BLD), count, tokens_BLD.shape[-1])
    words_BWD = empty.scatter_add(1, index_BLD, tokens_BLD * real_BL1)
    mask_BW = torch.arange(count, device=word_BL.device) <= word_BL.amax(dim=1, keepdim=True)
    return words_BWD, mask_BW


def _scores(regions_cRD: Tensor, words_BWD: Tensor, mask_BW: Tensor, attention: float, context: float) -> Tensor:
    """Scores [c, B]. The cosine of word and context is expanded to dot products through alpha, so no c is built:
    t.c = sum_r alpha_r a_r and |c|^2 = alpha' V V' alpha; it pays where regions are fewer than dimensions."""
    a_cBWR = torch.einsum("crd,bwd->cbwr", regions_cRD, words_BWD)
    over_words = a_cBWR.masked_fill(~mask_BW[None, :, :, None], -torch.inf).softmax(dim=2)
    alpha_cBWR = (attention * over_words).softmax(dim=3)
    if regions_cRD.shape[1] <= regions_cRD.shape[2]:
        dot_cBW = (alpha_cBWR * a_cBWR).sum(-1)
        gram_cRR = regions_cRD @ regions_cRD.transpose(1, 2)
        flat = alpha_cBWR.flatten(1, 2)
        square_cBW = ((flat @ gram_cRR) * flat).sum(-1).view_as(dot_cBW)
    else:
        context_cBWD = torch.einsum("cbwr,crd->cbwd", alpha_cBWR, regions_cRD)
        dot_cBW = (context_cBWD * words_BWD).sum(-1)
        square_cBW = context_cBWD.square().sum(-1)
    norms = words_BWD.norm(dim=-1).clamp(min=1e-8) * square_cBW.clamp(min=1e-16).sqrt()
    cosine_cBW = (dot_cBW / norms).masked_fill(~mask_BW, -torch.inf)
    return torch.logsumexp(context * cosine_cBW, dim=-1)


class _InChunks(torch.autograd.Function):
    """`_scores`, keeping nothing but its input. PyTorch's checkpoint for each chunk leaves the heap in pieces: 3.7 GB
    at 256 studies instead of 0.9."""

    @staticmethod
    def forward(
        ctx: Any,
        regions_bRD: Tensor,
        words_BWD: Tensor,
        mask_BW: Tensor,
        attention: float,
        context: float,
        size: int,
    ) -> Tensor:
        ctx.save_for_backward(regions_bRD, words_BWD, mask_BW)
        ctx.settings, ctx.size = (attention, context), size
        scores_bB = regions_bRD.new_empty(len(regions_bRD), len(words_BWD))
        for part_cRD, scores_cB in zip(regions_bRD.split(size), scores_bB.split(size), strict=True):
            scores_cB.copy_(_scores(part_cRD, words_BWD, mask_BW, attention, context))
        return scores_bB

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_bB: Tensor) -> tuple[Tensor | None, ...]:
        regions_bRD, words_BWD, mask_BW = ctx.saved_tensors
        regions = torch.empty_like(regions_bRD)
        words_BWD = words_BWD.detach().requires_grad_()
        parts = (tensor.split(ctx.size) for tensor in (regions_bRD, regions, gradient_bB))
        for part_cRD, into_cRD, gradient_cB in zip(*parts, strict=True):
            leaf_cRD = part_cRD.detach().requires_grad_()
            with torch.autocast(regions.device.type, enabled=False):
                with torch.enable_grad():
                    scores_cB = _scores(leaf_cRD, words_BWD, mask_BW, *ctx.settings)
                torch.autograd.backward(scores_cB, gradient_cB.to(scores_cB.dtype))  # adds to the words' gradient
            into_cRD.copy_(leaf_cRD.grad)
        return regions, words_BWD.grad, None, None, None, None
