"""Self-supervision of images: two strong views of one are alike.

Shapes: N images of one view, P pooled width of the tower, K width of the head's output, B images of the global batch.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.config.objective import ImageSsl, Projector
from radsweep.models.features import ImageTowerModule
from radsweep.objectives.moco import MomentumHead, moco
from radsweep.objectives.views import TermOutput, Views, Widths

Kind = Literal["simclr", "simsiam"]
# hidden, dim
PUBLISHED: dict[str, tuple[int, int]] = {"simclr": (4096, 256), "simsiam": (2048, 2048), "moco": (2048, 128)}


def image_ssl(views: Views, settings: ImageSsl) -> TermOutput:
    """The loss on the two strong views of the whole batch, with the spread of their outputs."""
    outputs = views.outputs["image_ssl"]  # of the first view, then of the second
    first, second = outputs[: len(outputs) // 2], outputs[len(outputs) // 2 :]
    if settings.kind == "moco":
        head, rows = views.heads.get("image_ssl"), views.rows
        if not isinstance(head, MomentumHead) or rows is None:
            raise ValueError("moco needs its queue, and the studies of the batch")
        loss = moco((first[0], first[1]), (second[0], second[1]), head.queue, rows.study_B, settings.temperature)
    else:
        loss = ssl_loss(settings.kind, first, second, settings.temperature)
    return TermOutput(loss, {"image_ssl_spread": directional_spread(first[-1])})


def image_ssl_head(settings: ImageSsl, widths: Widths) -> nn.Module:
    if settings.kind == "moco":
        if widths.image_tower is None:
            raise ValueError("moco needs the image tower that it follows")
        return momentum_head(widths.image_tower, settings, widths.studies)
    return ssl_head(settings.kind, widths.image, settings.hidden, settings.dim)


def momentum_head(tower: ImageTowerModule, settings: Projector, images: int) -> MomentumHead:
    """MoCo's; `images`: number that it learns from."""
    hidden, dim = settings.hidden or PUBLISHED["moco"][0], settings.dim or PUBLISHED["moco"][1]
    return MomentumHead(tower, hidden, dim, settings.queue, settings.momentum, images)


def ssl_head(kind: Kind, width: int, hidden: int | None = None, dim: int | None = None) -> nn.Module:
    """Maps pooled features [N, P] of one view to what `ssl_loss` wants of it: a tuple of tensors [N, K].

    Args:
        width: P.
        hidden, dim: widths of the projector's hidden layers and of its output; None is as published.
    """
    hidden, dim = hidden or PUBLISHED[kind][0], dim or PUBLISHED[kind][1]
    return SimClrHead(width, hidden, dim) if kind == "simclr" else SimSiamHead(width, hidden, dim)


def ssl_loss(kind: Kind, first: tuple[Tensor, ...], second: tuple[Tensor, ...], temperature: float) -> Tensor:
    """Loss of the head's outputs for the two views of B images; `temperature` is SimCLR's."""
    if kind == "simclr":
        return nt_xent(first[0], second[0], temperature)
    (p1_BK, z1_BK), (p2_BK, z2_BK) = first, second
    cosines_2B = [functional.cosine_similarity(p1_BK, z2_BK), functional.cosine_similarity(p2_BK, z1_BK)]
    return -torch.stack(cosines_2B).mean()


def nt_xent(first_BK: Tensor, second_BK: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of SimCLR (Chen et al. 2020, eq. 1): each of the 2 B views among all others finds its partner."""
    views_NK = functional.normalize(torch.cat([first_BK, second_BK]), dim=-1)
    itself_NN = torch.eye(len(views_NK), dtype=torch.bool, device=views_NK.device)
    logits_NN = (views_NK @ views_NK.T / temperature).masked_fill(itself_NN, -torch.inf)
    partner_N = torch.arange(len(views_NK), device=views_NK.device).roll(len(first_BK))
    return functional.cross_entropy(logits_NN, partner_N)


@torch.no_grad()
def directional_spread(z_BK: Tensor) -> float:
    """Spread of directions: 1 if even over the sphere, 0 if all are the same (Chen and He 2021, figure 2)."""
    unit_BK = functional.normalize(z_BK, dim=-1)
    return float(unit_BK.std(dim=0, correction=0).mean() * unit_BK.shape[1] ** 0.5)


class SimClrHead(nn.Module):
    """SLIP's projector (Mu et al. 2022): (z,)."""

    def __init__(self, width: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, dim),
        )

    def forward(self, pooled_NP: Tensor) -> tuple[Tensor, ...]:
        return (self.projector(pooled_NP),)


class SimSiamHead(nn.Module):
    """Projector and predictor of SimSiam (Chen and He 2021): (p, z), no gradient through z."""

    def __init__(self, width: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, dim, bias=False),
            nn.BatchNorm1d(dim, affine=False),
        )
        self.predictor = nn.Sequential(
            nn.Linear(dim, dim // 4, bias=False),
            nn.BatchNorm1d(dim // 4),
            nn.ReLU(),
            nn.Linear(dim // 4, dim),
        )

    def forward(self, pooled_NP: Tensor) -> tuple[Tensor, ...]:
        z_NK = self.projector(pooled_NP)
        return self.predictor(z_NK), z_NK.detach()
