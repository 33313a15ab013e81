"""A pair of small towers that a CPU trains in minutes: 0.3 M parameters each."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from radsweep.models.features import ImageFeatures, ImageTowerModule, regions_of_map
from radsweep.models.normalise import Pixels

_WIDTHS = ((32, 2), (64, 2), (96, 2), (128, 1))  # channels and stride of the layers before the regions


class TinyCnn(ImageTowerModule):
    """Five convolutions. Regions: 8 x 8 at 64 pixels; pooled: the four quarters of the picture side by side.

    GroupNorm, so that an image's features only depend on that image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pixels = Pixels(channels, channels, (0.5,) * channels, (0.25,) * channels)
        layers = []
        previous = channels
        for width, stride in _WIDTHS:
            layers.append(_layer(previous, width, stride))
            previous = width
        self.trunk = nn.Sequential(*layers)
        self.last = _layer(previous, previous, 2)
        self.region_width = previous
        self.width = 4 * previous

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        map_BCHW = self.trunk(self.pixels(pixels_BCHW))
        pooled = functional.adaptive_avg_pool2d(self.last(map_BCHW), 2).flatten(1)
        return ImageFeatures(pooled, regions_of_map(map_BCHW))

    def layers(self) -> list[nn.Module]:
        return [*self.trunk, self.last]


def _layer(channels: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.GroupNorm(8, width), nn.ReLU(inplace=True)
    )
