"""Adaptive histogram equalisation against OpenCV's algorithm, written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from radsweep.augment.equalise import equalised
from radsweep.augment.images import augment_images, plain_images
from radsweep.augment.random import sample_keys
from radsweep.config.augmentation import ImageAugmentation

STILL = {"crop": (1.0, 1.0), "affine": 0.0, "brightness": 0.0, "contrast": 0.0, "noise": 0.0}


def opencv_clahe(image: np.ndarray, limit: float) -> np.ndarray:
    """`cv2.createCLAHE(limit, (8, 8)).apply(image)`, which the same loops give to one grey level in 0.5 % of pixels."""
    tall, wide = (-(-side // 8) for side in image.shape)
    padded = np.pad(image, ((0, 8 * tall - image.shape[0]), (0, 8 * wide - image.shape[1])), mode="reflect")
    most = max(int(limit * tall * wide / 256), 1)
    tables = np.zeros((8, 8, 256))
    for row in range(8):
        for column in range(8):
            tile = padded[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
            count = np.bincount(tile.ravel(), minlength=256)
            excess = int(np.maximum(count - most, 0).sum())
            count = np.minimum(count, most) + excess // 256
            left = excess % 256
            for place in range(0, 256, max(256 // left, 1)) if left else ():
                if left == 0:
                    break
                count[place] += 1
                left -= 1
            tables[row, column] = np.clip(np.rint(np.cumsum(count) * 255 / (tall * wide)), 0, 255)
    found = np.zeros_like(image, dtype=float)
    for y, x in np.ndindex(image.shape):
        down, along = y / tall - 0.5, x / wide - 0.5
        top, before = int(np.floor(down)), int(np.floor(along))
        part_y, part_x = down - top, along - before
        rows, columns = (max(top, 0), min(top + 1, 7)), (max(before, 0), min(before + 1, 7))
        value = image[y, x]
        upper = tables[rows[0], columns[0], value] * (1 - part_x) + tables[rows[0], columns[1], value] * part_x
        lower = tables[rows[1], columns[0], value] * (1 - part_x) + tables[rows[1], columns[1], value] * part_x
        found[y, x] = np.rint(upper * (1 - part_y) + lower * part_y)
    return found


@pytest.mark.parametrize("shape", [(64, 64), (50, 41)])
def test_each_image_is_equalised_as_opencv_does_with_its_own_limit(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    smooth = generator.integers(0, 256, (3, 2, *shape)) // 3 + np.linspace(0, 150, shape[1]).astype(int)
    limits = [1.0, 2.3, 4.0]
    found = equalised(torch.from_numpy(smooth).float() / 255, torch.tensor(limits)) * 255
    for image, limit, planes in zip(smooth, limits, found.numpy(), strict=True):
        for plane, ours in zip(image, planes, strict=True):
            difference = np.abs(opencv_clahe(plane, limit) - ours)
            assert difference.max() < 1.01
            assert (difference > 0.01).mean() < 0.01


def test_an_image_is_equalised_by_its_own_key_with_the_probability_that_is_set() -> None:
    images = torch.randint(0, 120, (200, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    keys_B = sample_keys(0, torch.arange(200), epoch=0)
    settings = ImageAugmentation.model_validate(STILL | {"clahe": 0.4})
    assert settings.changes_images
    assert not settings.moved_alone().changes_images
    found = augment_images(images, settings, keys_B)
    changed = (found != plain_images(images)).flatten(1).any(dim=1)
    assert 0.3 < changed.float().mean() < 0.5
    assert torch.equal(augment_images(images[50:60], settings, keys_B[50:60]), found[50:60])
    assert torch.equal(augment_images(images, ImageAugmentation.model_validate(STILL), keys_B), plain_images(images))
