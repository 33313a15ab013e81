from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn

from radsweep.config.model import ImageTower
from radsweep.errors import InputError
from radsweep.models.configs import IMAGE_CLASSES
from radsweep.models.image import build_image_tower

Save = Callable[[str], Path]
Check = Callable[[nn.Module, torch.Tensor], None]
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
MEAN, STD = torch.tensor([0.4, 0.5, 0.6]).view(-1, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(-1, 1, 1)


def tower_of(folder: Path, size: int = 32, channels: int = 3, weights: str = "pretrained") -> nn.Module:
    chosen = {"backbone": str(folder), "weights": weights, "size": size, "channels": channels}
    return build_image_tower(ImageTower.model_validate(chosen)).eval()


@pytest.mark.parametrize("kind", IMAGE_CLASSES)
def test_a_saved_model_gives_the_features_transformers_gives(kind: str, save: Save) -> None:
    reference = transformers.AutoModel.from_pretrained(save(kind)).eval()
    if kind in ("clip", "siglip"):
        reference = reference.vision_model
    output = reference(pixel_values=(IMAGES - MEAN) / STD)
    tower = tower_of(save(kind))
    features = tower(IMAGES)
    first_token = output.last_hidden_state[:, 0]
    expected = output.pooler_output if "clip" in kind or "siglip" in kind else first_token
    torch.testing.assert_close(features.pooled_BP, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(features.regions_BRC, output.last_hidden_state[:, -16:], rtol=1e-5, atol=1e-5)
    assert features.regions_BRC.shape == (2, 16, tower.region_width)


@pytest.mark.parametrize("size", [32, 48])
@pytest.mark.parametrize("kind", IMAGE_CLASSES)
def test_shown_all_patches_a_tower_gives_what_it_gives_for_the_image_and_reads_no_hidden_one(
    kind: str, size: int, save: Save, shown_alone_is_read: Check
) -> None:
    tower = tower_of(save(kind), size)
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    shown_alone_is_read(tower, images)


@pytest.mark.parametrize("kind", IMAGE_CLASSES)
def test_another_image_size_interpolates_the_positions(kind: str, save: Save) -> None:
    features = tower_of(save(kind), size=48)(torch.rand(2, 3, 48, 48))
    assert features.regions_BRC.shape == (2, 36, 32)


def test_grey_images_are_repeated(save: Save) -> None:
    grey = IMAGES[:, :1]
    one, three = tower_of(save("vit"), channels=1)(grey), tower_of(save("vit"))(grey.expand(-1, 3, -1, -1))
    assert torch.equal(one.pooled_BP, three.pooled_BP)


@pytest.mark.parametrize("kind", IMAGE_CLASSES)
def test_scratch_takes_the_image_size_of_the_experiment(kind: str, save: Save) -> None:
    tower = tower_of(save(kind), size=48, weights="scratch")
    assert tower.encoder.config.image_size == 48
    assert tower(torch.rand(1, 3, 48, 48)).regions_BRC.shape == (1, 36, 32)


@pytest.mark.parametrize("kind", IMAGE_CLASSES)
def test_all_randomness_of_training_is_in_dropout_modules(kind: str, save: Save) -> None:
    tower = tower_of(save(kind)).train()
    for module in tower.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert torch.equal(tower(IMAGES).pooled_BP, tower(IMAGES).pooled_BP)


def test_weights_without_their_normalisation_are_refused(save: Save, tmp_path: Path) -> None:
    transformers.AutoModel.from_pretrained(save("vit")).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"does not say how its pixels are normalised"):
        tower_of(tmp_path)


def test_rad_dino_is_a_dinov2_with_pixels_of_its_own(save: Save, tmp_path: Path) -> None:
    """As microsoft/rad-dino: made for 518 pixels, here 32, and normalised by what chest X-rays are like."""
    transformers.AutoModel.from_pretrained(save("dinov2")).save_pretrained(tmp_path)
    transformers.BitImageProcessor(image_mean=[0.53] * 3, image_std=[0.26] * 3).save_pretrained(tmp_path)
    reference = transformers.AutoModel.from_pretrained(tmp_path).eval()
    grey = IMAGES[:, :1]
    expected = reference(pixel_values=(grey.expand(-1, 3, -1, -1) - 0.53) / 0.26).last_hidden_state[:, 0]
    torch.testing.assert_close(tower_of(tmp_path, channels=1)(grey).pooled_BP, expected, rtol=1e-5, atol=1e-5)
