from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as v2

from radsweep.augment.images import _geometry_B23, _grid_BHW2, augment_images, plain_images
from radsweep.augment.random import sample_keys, uniform
from radsweep.config.augmentation import ImageAugmentation

NOTHING: dict[str, Any] = {
    "crop": (1.0, 1.0), "affine": 0, "brightness": 0, "contrast": 0, "blur": 0, "noise": 0, "flip": 0,
}  # fmt: skip


def settings(**changes: Any) -> ImageAugmentation:
    return ImageAugmentation(**{**NOTHING, **changes})


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Smooth pictures that differ from each other and have no symmetry, uint8 [16, 3, 48, 48]."""
    coarse = torch.rand(16, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return (functional.interpolate(coarse, size=48, mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)


@pytest.fixture(scope="module")
def keys() -> Tensor:
    return sample_keys(0, torch.arange(16), epoch=0)


CHANGES: list[dict[str, Any]] = [
    {"crop": (0.6, 1.0)}, {"affine": 0.1}, {"brightness": 0.2}, {"contrast": 0.2}, {"blur": 1 / 32}, {"noise": 0.1},
    {"flip": 0.5},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_each_change_changes_its_input_and_only_when_on(change: dict[str, Any], images: Tensor, keys: Tensor) -> None:
    changed = augment_images(images, settings(**change), keys)
    differs = (changed - plain_images(images)).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert differs.sum() >= (4 if "flip" in change else 14)
    assert torch.equal(augment_images(images, settings(), keys), plain_images(images))


def test_results_are_float_between_0_and_1(images: Tensor, keys: Tensor) -> None:
    result = augment_images(images, ImageAugmentation(brightness=1, contrast=1, noise=1, blur=0.05, flip=0.5), keys)
    assert result.dtype == torch.float32
    assert result.shape == images.shape
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("change", [*CHANGES, {"crop": (0.5, 1.0), "affine": 0.2, "noise": 0.1, "blur": 0.02}], ids=str)
def test_an_image_is_augmented_alike_in_any_batch(change: dict[str, Any], images: Tensor, keys: Tensor) -> None:
    whole = augment_images(images, settings(**change), keys)
    order = torch.tensor([11, 3, 7])
    torch.testing.assert_close(
        augment_images(images[order], settings(**change), keys[order]), whole[order], rtol=0, atol=1e-6
    )


def test_images_of_a_batch_differ_in_their_parameters(images: Tensor, keys: Tensor) -> None:
    same = images[:1].expand(16, -1, -1, -1)
    result = augment_images(same, settings(crop=(0.6, 1.0)), keys)
    assert len({tuple(image.flatten().tolist()) for image in result}) == 16


def test_the_next_epoch_augments_differently(images: Tensor) -> None:
    first, second = (
        augment_images(images, ImageAugmentation(), sample_keys(0, torch.arange(16), epoch)) for epoch in (0, 1)
    )
    assert not torch.allclose(first, second, atol=1e-2)


def test_a_flip_mirrors_left_and_right(images: Tensor, keys: Tensor) -> None:
    flipped = augment_images(images, settings(flip=1.0), keys)
    torch.testing.assert_close(flipped, v2.horizontal_flip(plain_images(images)), rtol=0, atol=1e-5)


def test_crops_keep_the_area_and_aspect_asked_for_and_stay_inside() -> None:
    draws = uniform(sample_keys(0, torch.arange(5000), 0), 13)
    theta = _geometry_B23(settings(crop=(0.3, 0.9)), draws)
    width, height = theta[:, 0, 0], theta[:, 1, 1]
    area, aspect = width * height, width / height
    assert area.min() >= 0.3 - 1e-6
    assert area.max() <= 0.9 + 1e-6
    assert area.mean() == pytest.approx(0.6, abs=0.01)
    assert aspect.min() >= 3 / 4 - 1e-6
    assert aspect.max() <= 4 / 3 + 1e-6
    assert (theta[:, 0, 2].abs() + width).max() <= 1 + 1e-6
    assert (theta[:, 1, 2].abs() + height).max() <= 1 + 1e-6


def test_rotation_and_shear_stay_within_the_angle_asked_for() -> None:
    draws = uniform(sample_keys(0, torch.arange(5000), 0), 13)
    theta = _geometry_B23(settings(affine=0.2), draws)
    rotation = torch.atan2(theta[:, 1, 0], theta[:, 0, 0])
    assert rotation.abs().max() <= 0.2 + 1e-6
    assert rotation.abs().max() > 0.19
    torch.testing.assert_close(torch.linalg.det(theta[:, :, :2]), torch.ones(5000))  # areas stay
    assert theta[:, :, 2].abs().max() <= 0.2  # 0.1 sides: a side is 2 long
    assert abs(torch.corrcoef(theta[:, :, 2].T)[0, 1]) < 0.05


def test_the_grid_equals_that_of_torch() -> None:
    theta = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = functional.affine_grid(theta, [5, 1, 12, 17], align_corners=False)
    torch.testing.assert_close(_grid_BHW2(theta, 12, 17), expected)


def test_brightness_shifts_and_contrast_stretches_about_the_mean(images: Tensor, keys: Tensor) -> None:
    grey = (images // 4) + 96  # far from the bounds
    plain = plain_images(grey)
    brighter = augment_images(grey, settings(brightness=0.1), keys) - plain
    assert brighter.amax(dim=(1, 2, 3)).abs().max() <= 0.1
    assert (brighter.amax(dim=(1, 2, 3)) - brighter.amin(dim=(1, 2, 3))).max() < 1e-5
    stretched = augment_images(grey, settings(contrast=0.3), keys)
    torch.testing.assert_close(stretched.mean(dim=(1, 2, 3)), plain.mean(dim=(1, 2, 3)), rtol=0, atol=1e-5)
    ratio = stretched.std(dim=(1, 2, 3)) / plain.std(dim=(1, 2, 3))
    assert ratio.min() >= 0.7
    assert ratio.max() <= 1.3
    assert ratio.std() > 0.05


def test_blur_equals_torchvisions_with_the_same_deviation(images: Tensor, keys: Tensor) -> None:
    from radsweep.augment.images import _blurred

    draws, plain = torch.linspace(0.1, 0.99, 16), plain_images(images)
    result = _blurred(plain, 2.0, draws)
    for number in (0, 5, 15):
        expected = v2.gaussian_blur(plain[number], kernel_size=[13, 13], sigma=[2.0 * float(draws[number])] * 2)
        inner = (slice(None), slice(6, -6), slice(6, -6))  # torchvision reflects at the border
        torch.testing.assert_close(result[number][inner], expected[inner], rtol=0, atol=1e-5)


def test_blur_scales_with_the_image_size(keys: Tensor) -> None:
    """A picture of twice the side, blurred by the same part of it, is the same picture blurred."""
    coarse = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    pictures = {
        size: (functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)
        for size in (64, 128)
    }
    small, large = (augment_images(pictures[size], settings(blur=0.05), keys) for size in (64, 128))
    assert (small - plain_images(pictures[64])).abs().mean() > 0.03
    torch.testing.assert_close(functional.avg_pool2d(large, 2), small, rtol=0, atol=0.015)


def test_a_blur_in_pixels_of_older_files_is_refused() -> None:
    with pytest.raises(ValueError, match=r"less than or equal to 0\.1"):
        ImageAugmentation(blur=1.0)


def test_crops_of_a_larger_source_have_pixels_of_their_own(keys: Tensor) -> None:
    """Stripes that a picture of 48 pixels cannot hold are in crops of one of 192 pixels, and not in enlarged ones."""
    generator = torch.Generator().manual_seed(2)
    source = (torch.rand(16, 1, 96, 96, generator=generator) * 255).repeat_interleave(2, 2).repeat_interleave(2, 3)
    source = source.to(torch.uint8)
    shrunk = (plain_images(source, 48) * 255).round().to(torch.uint8)
    crop = settings(crop=(0.08, 0.1))
    own, enlarged = augment_images(source, crop, keys, 48), augment_images(shrunk, crop, keys, 48)
    assert own.shape == enlarged.shape == (16, 1, 48, 48)
    detail = [(images - functional.avg_pool2d(images, 3, 1, 1)).std() for images in (own, enlarged)]
    assert detail[0] > 3 * detail[1]


@pytest.mark.parametrize("largest", [2, 3.5])
def test_a_whole_picture_sampled_from_a_larger_source_is_that_of_an_antialiased_resize(
    largest: float, keys: Tensor
) -> None:
    side = int(48 * largest)
    source = (torch.rand(16, 1, side, side, generator=torch.Generator().manual_seed(3)) * 255).to(torch.uint8)
    whole = augment_images(source, settings(crop=(1.0, 1.0), flip=1e-9), keys, 48)  # through the grid
    expected = plain_images(source, 48)
    aliased = functional.interpolate(plain_images(source), size=48, mode="bilinear", antialias=False)
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    found, without = ((images - expected)[inner].square().mean().sqrt() for images in (whole, aliased))
    assert found < 0.35 * without
    assert torch.equal(augment_images(source, settings(), keys, 48), expected)


def test_a_larger_source_is_augmented_alike_in_any_batch(keys: Tensor) -> None:
    source = (torch.rand(16, 1, 96, 96, generator=torch.Generator().manual_seed(4)) * 255).to(torch.uint8)
    change = settings(crop=(0.2, 1.0), affine=0.2)
    whole = augment_images(source, change, keys, 48)
    torch.testing.assert_close(augment_images(source[5:9], change, keys[5:9], 48), whole[5:9], rtol=0, atol=1e-6)


def test_noise_has_the_deviation_asked_for(keys: Tensor) -> None:
    grey = torch.full((16, 1, 64, 64), 128, dtype=torch.uint8)
    deviation = (augment_images(grey, settings(noise=0.1), keys) - plain_images(grey)).std(dim=(1, 2, 3))
    assert deviation.max() <= 0.1 * 1.05
    assert deviation.mean() == pytest.approx(0.05, abs=0.02)
    assert not math.isclose(float(deviation.min()), float(deviation.max()), rel_tol=0.1)
