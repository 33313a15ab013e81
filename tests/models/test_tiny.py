from __future__ import annotations

import pytest
import torch

from radsweep.config.model import ImageTower, TextTower
from radsweep.models.image import build_image_tower
from radsweep.models.text import build_text_tower


def test_the_tiny_pair_is_tiny() -> None:
    image, text = build_image_tower(ImageTower()), build_text_tower(TextTower(), 500)
    assert sum(parameter.numel() for parameter in image.parameters()) == pytest.approx(0.3e6, rel=0.15)
    assert sum(parameter.numel() for parameter in text.parameters()) == pytest.approx(0.3e6, rel=0.3)


@pytest.mark.parametrize(("size", "channels", "regions"), [(64, 1, 64), (64, 3, 64), (96, 1, 144), (16, 1, 4)])
def test_regions_are_an_eighth_of_the_side(size: int, channels: int, regions: int) -> None:
    tower = build_image_tower(ImageTower(size=size, channels=channels))
    features = tower(torch.rand(2, channels, size, size))
    assert features.pooled_BP.shape == (2, tower.width)
    assert features.regions_BRC.shape == (2, regions, tower.region_width)


def test_regions_are_numbered_row_by_row() -> None:
    tower = build_image_tower(ImageTower()).eval()
    plain = torch.zeros(1, 1, 64, 64)
    spot = plain.clone()
    spot[0, 0, 4, 60] = 1  # top right
    change = (tower(spot).regions_BRC - tower(plain).regions_BRC).norm(dim=2)[0]
    assert change[7] > 2 * change[56]


def test_an_images_features_do_not_depend_on_the_batch() -> None:
    tower = build_image_tower(ImageTower()).train()
    images = torch.rand(5, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    together, alone = tower(images), tower(images[2:3])
    torch.testing.assert_close(together.pooled_BP[2:3], alone.pooled_BP, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.regions_BRC[2:3], alone.regions_BRC, rtol=1e-4, atol=1e-5)
