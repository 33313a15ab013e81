"""Momentum contrast (MoCo, He et al. 2020; v2, Chen et al. 2020; symmetric as v3, Chen et al. 2021), for small batches.

A slow copy of the tower gives the keys. Negatives are the other keys of the batch and those of earlier batches in a
queue, so a small batch still has thousands. The copy runs in evaluation mode, with BatchNorm statistics that are
averaged like its weights (EMAN, Cai et al. 2021): a key depends on its image only, and statistics of a batch cannot
give the positive away among the keys of the queue, without shuffling between GPUs.
Shapes: N images of one view, P pooled width of the tower, K width of the keys, B images of the global batch, Q places.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.models.adapters import freeze
from radsweep.models.features import ImageTowerModule, full_precision


class KeyQueue(nn.Module):
    """Keys of the images seen last. Its state is in buffers: in the checkpoint, and equal on all workers."""

    keys_QK: Tensor  # of unit length
    image_Q: Tensor  # int64, the image of each; empty places are not `filled_Q`
    filled_Q: Tensor
    place: Tensor  # int64, where the next key goes

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys_QK", torch.zeros(size, dim))
        self.register_buffer("image_Q", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("filled_Q", torch.zeros(size, dtype=torch.bool))
        self.register_buffer("place", torch.tensor(0))

    @torch.no_grad()
    def add(self, keys_BK: Tensor, image_B: Tensor) -> None:
        """Put a batch in, in place of the oldest keys; of a batch larger than the queue its end."""
        size = len(self.keys_QK)
        keys_BK, image_B = keys_BK[-size:], image_B[-size:]
        places_B = (self.place + torch.arange(len(keys_BK), device=self.place.device)) % size
        self.keys_QK[places_B] = keys_BK.to(self.keys_QK.dtype)
        self.image_Q[places_B] = image_B
        self.filled_Q[places_B] = True
        self.place.copy_((self.place + len(keys_BK)) % size)


class MomentumHead(nn.Module):
    """MoCo's projector of two layers, the slow copies of tower and projector, and the queue.

    Args:
        tower: the one that learns; a copy of it, as it is, starts the slow one.
        hidden, dim: widths of the projector's hidden layer and of the keys.
        queue: places; at most one for each of the `images`, since a small data set has no more to offer.
        momentum: what the slow copies keep of themselves in a step.
    """

    def __init__(
        self, tower: ImageTowerModule, hidden: int, dim: int, queue: int, momentum: float, images: int
    ) -> None:
        super().__init__()
        self.projector = nn.Sequential(nn.Linear(tower.width, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.slow_tower, self.slow_projector = deepcopy(tower), deepcopy(self.projector)
        freeze(self.slow_tower)
        self.slow_projector.requires_grad_(False)
        self.queue, self.momentum = KeyQueue(min(queue, images), dim), momentum

    def forward(self, pooled_NP: Tensor) -> Tensor:
        """Queries [N, K]."""
        query_NK: Tensor = self.projector(pooled_NP)
        return query_NK

    @torch.no_grad()
    def keys(self, pixels_NCSS: Tensor) -> Tensor:
        """[N, K], without gradient."""
        key_NK: Tensor = self.slow_projector(self.slow_tower(pixels_NCSS).pooled_BP)
        return key_NK

    @torch.no_grad()
    def follow(self, tower: nn.Module) -> None:
        """After each step of the optimiser: the slow copies, statistics included, take a step towards what learns."""
        for slow, fast in ((self.slow_tower, tower), (self.slow_projector, self.projector)):
            for one, other in zip(slow.state_dict().values(), fast.state_dict().values(), strict=True):
                if one.is_floating_point():
                    one.lerp_(other, 1 - self.momentum)
                else:
                    one.copy_(other)


def moco(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], queue: KeyQueue, image_B: Tensor, temperature: float
) -> Tensor:
    """Each query finds the other view's key among those of the batch and the queue; the mean of both directions.

    The queue's keys of the same image are left out. Call it once a step, on the whole batch: the keys of the first view
    then enter the queue, if it is in training mode.

    Args:
        first, second: queries and keys [B, K] of the two views.
        image_B: int64, ids of the images.
    """
    unit = [[functional.normalize(full_precision(rows), dim=-1) for rows in view] for view in (first, second)]
    (query_1, key_1), (query_2, key_2) = unit
    out_BQ = ~queue.filled_Q | (queue.image_Q == image_B[:, None])
    target_B = torch.arange(len(image_B), device=image_B.device)
    old_QK = queue.keys_QK.to(query_1.dtype, copy=True)  # the batch enters the queue before the backward pass
    losses = []
    for query_BK, key_BK in ((query_1, key_2.detach()), (query_2, key_1.detach())):
        old_BQ = (query_BK @ old_QK.T).masked_fill(out_BQ, -torch.inf)
        logits_BN = torch.cat([query_BK @ key_BK.T, old_BQ], dim=1) / temperature
        losses.append(functional.cross_entropy(logits_BN, target_B))
    if queue.training:
        queue.add(key_1.detach(), image_B)
    return torch.stack(losses).mean()
