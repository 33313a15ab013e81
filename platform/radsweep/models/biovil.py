"""BioViL (Boecking et al. 2022) and BioViL-T (Bannur et al. 2023): the image file beside CXR-BERT."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

from radsweep.config.model import ImageTower
from radsweep.errors import InputError
from radsweep.models.configs import biovil_file
from radsweep.models.features import ImageFeatures, ImageTowerModule, regions_of_map
from radsweep.models.hub import Unreadable, find_file
from radsweep.models.layers import outer_blocks, residual_blocks
from radsweep.models.normalise import Pixels
from radsweep.models.weights import expected, load_all, read_state

_RESNET, _PROJECTOR = "encoder.encoder.", "projector.model."
_OWN, _MISSING = "encoder.backbone_to_vit.weight", "encoder.missing_previous_emb"
LAST_OF_PROJECTOR = f"{_PROJECTOR}3"


class BioVilImage(ImageTowerModule):
    """Regions: the third stage. Pooled: the mean over the fourth of the projector's hidden layer.

    Published is the mean of the whole projector; its last layer is linear, so it can follow the mean.
    """

    def __init__(self, body: ResNet, channels: int, own: int | None, hidden: int) -> None:
        """
        Args:
            own: width of BioViL-T's features of one image; None for BioViL.
            hidden: width of the projector's hidden layer.
        """
        super().__init__()
        self.pixels = Pixels(channels, 3, (0.0,) * 3, (1.0,) * 3)
        last = body.fc.in_features
        body.fc = nn.Identity()
        self.body = body
        self.without_prior = None if own is None else WithoutPrior(last, own)
        self.hidden = nn.Sequential(
            nn.Conv2d(last if own is None else 2 * own, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
        )
        self.width, self.region_width = hidden, last // 2

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        body = self.body
        stem = body.maxpool(body.relu(body.bn1(body.conv1(self.pixels(pixels_BCHW)))))
        third_BCHW = body.layer3(body.layer2(body.layer1(stem)))
        fourth_BCHW = body.layer4(third_BCHW)
        if self.without_prior is not None:
            fourth_BCHW = self.without_prior(fourth_BCHW)
        return ImageFeatures(self.hidden(fourth_BCHW).mean(dim=(2, 3)), regions_of_map(third_BCHW))

    def layers(self) -> list[nn.Module]:
        return residual_blocks(outer_blocks(self.body))


class WithoutPrior(nn.Module):
    """BioViL-T's features of a study that has no earlier image: its own, and a learned vector for what is missing."""

    def __init__(self, width: int, own: int) -> None:
        super().__init__()
        self.own = nn.Conv2d(width, own, 1, bias=False)
        self.missing_1C11 = nn.Parameter(torch.zeros(1, own, 1, 1))

    def forward(self, map_BCHW: Tensor) -> Tensor:
        own_BCHW = self.own(map_BCHW)
        return torch.cat([own_BCHW, self.missing_1C11.expand_as(own_BCHW)], dim=1)


def biovil_image(settings: ImageTower) -> ImageTowerModule:
    """See `radsweep.models.image.build_image_tower`."""
    name = settings.backbone
    state = biovil_state(name)
    own = len(state[_OWN]) if _OWN in state else None
    with expected(name):
        tower = BioVilImage(_resnet(state), settings.channels, own, hidden=len(state[f"{_PROJECTOR}0.weight"]))
        load_all(tower, _as_tower(state), name)
    return tower


def biovil_state(name: str) -> dict[str, Tensor]:
    """The tensors of the image file, under their own names.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    file = biovil_file(name)
    try:
        path = find_file(name, file)
    except Unreadable as error:
        raise InputError(f"{file} of {name} cannot be fetched ({error})") from None
    assert path is not None, file
    return read_state(path)


def _resnet(state: Mapping[str, Tensor]) -> ResNet:
    """A ResNet of the blocks that the weights are for."""
    block = Bottleneck if f"{_RESNET}layer1.0.conv3.weight" in state else BasicBlock
    blocks = {match[1] for name in state if (match := re.match(rf"{re.escape(_RESNET)}layer(\d\.\d+)\.", name))}
    return ResNet(block, [sum(name.startswith(f"{stage}.") for name in blocks) for stage in (1, 2, 3, 4)])


def _as_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under the names of `BioVilImage`. The classifier, the comparison with an earlier image and the projector's last
    layer are left out."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith(_RESNET) and not name.startswith(f"{_RESNET}fc."):
            result[f"body.{name.removeprefix(_RESNET)}"] = tensor
        if name.startswith((f"{_PROJECTOR}0.", f"{_PROJECTOR}1.")):
            result[f"hidden.{name.removeprefix(_PROJECTOR)}"] = tensor
    if _OWN in state:
        result |= {"without_prior.own.weight": state[_OWN], "without_prior.missing_1C11": state[_MISSING]}
    return result
