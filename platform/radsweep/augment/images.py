"""Image augmentation of whole batches, each image with parameters of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as v2

from radsweep.augment.equalise import equalised
from radsweep.augment.random import normal, subkeys, uniform
from radsweep.config.augmentation import ImageAugmentation

_ASPECT = math.log(4 / 3)  # a crop is between 3:4 and 4:3


def plain_images(images_BCHW: Tensor, size: int | None = None) -> Tensor:
    """uint8 -> float32 in [0, 1], for evaluation; of a larger source, the whole at `size` pixels a side."""
    images = v2.to_dtype(images_BCHW, torch.float32, scale=True)
    if size is None or images.shape[-1] == size:
        return images
    return v2.resize(images, [size, size], antialias=True).clamp_(0, 1)


def augment_images(images_BCHW: Tensor, settings: ImageAugmentation, keys_B: Tensor, size: int | None = None) -> Tensor:
    """float32 [B, C, size, size] in [0, 1]: cropped, moved, and changed in intensity. What is set to 0 does not run.

    Args:
        images_BCHW: uint8. Crops of a source larger than `size` have pixels of their own, not enlarged ones.
        size: side of the result, pixels; by default that of the source.
        keys_B: int64, see `radsweep.augment.random.sample_keys`; only an image's key decides its augmentation.
    """
    images = plain_images(images_BCHW)
    draws = uniform(keys_B, 13)  # a column each, so that switching one change on leaves the draws of the others
    source = images.shape[-1]
    size = size or source
    if settings.crop != (1.0, 1.0) or settings.affine > 0 or settings.flip > 0:
        # No random transform of v2: those draw one set of parameters for the whole batch, from global state.
        theta_B23 = _geometry_B23(settings, draws)
        if source > size:
            images = _band_limited(images, theta_B23, size)
        images = functional.grid_sample(images, _grid_BHW2(theta_B23, size, size), align_corners=False)
    elif source != size:
        images = plain_images(images_BCHW, size)
    if settings.clahe > 0:
        chosen_B, limit_B = uniform(subkeys(keys_B, "clahe"), 2).unbind(dim=1)
        rows = (chosen_B < settings.clahe).nonzero().squeeze(1)
        images = images.index_copy(0, rows, equalised(images[rows], 1 + 3 * limit_B[rows]))
    if settings.blur > 0:
        images = _blurred(images, settings.blur * size, draws[:, 9])
    if settings.brightness > 0 or settings.contrast > 0:
        factor = (1 + settings.contrast * _symmetric(draws[:, 10])).view(-1, 1, 1, 1)
        shift = (settings.brightness * _symmetric(draws[:, 11])).view(-1, 1, 1, 1)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = torch.addcmul(mean + shift - mean * factor, images, factor).clamp_(0, 1)
    if settings.noise > 0:
        deviation = (settings.noise * draws[:, 12]).view(-1, 1, 1, 1)
        noise = normal(subkeys(keys_B, "noise"), images[0].numel()).view(images.shape)
        images = torch.addcmul(images, noise, deviation).clamp_(0, 1)
    return images


def _symmetric(draws: Tensor) -> Tensor:
    """[0, 1) -> [-1, 1)."""
    return 2 * draws - 1


def _geometry_B23(settings: ImageAugmentation, draws: Tensor) -> Tensor:
    """Position in the source (sides at -1 and 1) of each pixel: flip, shear and rotation, crop and shift."""
    area = settings.crop[0] + (settings.crop[1] - settings.crop[0]) * draws[:, 0]
    widest = (-area.log()).clamp(max=_ASPECT)  # a crop that fits into the picture
    stretch = (0.5 * widest * _symmetric(draws[:, 1])).exp()
    width, height = area.sqrt() * stretch, area.sqrt() / stretch
    angle, shear = (settings.affine * _symmetric(draws[:, column]) for column in (2, 3))
    flip = torch.where(draws[:, 4] < settings.flip, -1.0, 1.0)
    cosine, sine, slope = angle.cos(), angle.sin(), shear.tan()
    # rotation @ shear @ flip, before the crop scales and moves it
    rows = [
        [width * cosine * flip, width * (cosine * slope - sine), (1 - width) * _symmetric(draws[:, 5])],
        [height * sine * flip, height * (sine * slope + cosine), (1 - height) * _symmetric(draws[:, 6])],
    ]
    theta_B23 = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    if settings.affine > 0:
        theta_B23[:, :, 2] += settings.affine * _symmetric(draws[:, 7:9])  # half of `affine` sides, a side being 2 long
    return theta_B23


def _band_limited(images_BCHW: Tensor, theta_B23: Tensor, size: int) -> Tensor:
    """Blurred as far as sampling every s-th source pixel asks: with the bilinear kernel, of variance 1/6 source pixel,
    it has the variance s^2/6 of the antialiasing triangle that resizing uses."""
    largest = images_BCHW.shape[-1] / size
    step_B = theta_B23[:, :, :2].norm(dim=2).amax(dim=1) * largest
    deviation_B = ((step_B.square() - 1).clamp(min=0) / 6).sqrt()
    most = (max(largest**2 - 1, 0) / 6) ** 0.5  # a crop is never wider than its source
    return _blurred(images_BCHW, most, (deviation_B / most).clamp(max=1))


def _grid_BHW2(theta_B23: Tensor, height: int, width: int) -> Tensor:
    """Sampling grid of functional.affine_grid, to rounding; x and y as planes, in a third of its time on a CPU."""
    x_W, y_H = (((2 * torch.arange(side, device=theta_B23.device) + 1) / side - 1) for side in (width, height))
    by_x, by_y, shift = (column[:, :, None, None] for column in theta_B23.unbind(dim=2))
    return (by_x * x_W + (by_y * y_H[:, None] + shift)).permute(0, 2, 3, 1)


def _blurred(images_BCHW: Tensor, largest: float, draws_B: Tensor) -> Tensor:
    """Gaussian blur of each image by its own deviation, up to `largest` pixels, edges repeated."""
    batch, channels, height, width = images_BCHW.shape
    radius = min(math.ceil(3 * largest), height - 1, width - 1)
    distance_K = torch.arange(-radius, radius + 1, device=images_BCHW.device)
    deviation_B1 = (largest * draws_B).clamp(min=1e-3)[:, None]
    kernel_BK = (-0.5 * (distance_K / deviation_B1) ** 2).exp()
    kernel_BK = (kernel_BK / kernel_BK.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    planes = functional.pad(images_BCHW, [radius] * 4, mode="replicate").flatten(0, 1)[None]  # a group each
    planes = functional.conv2d(planes, kernel_BK[:, None, None, :], groups=batch * channels)
    return functional.conv2d(planes, kernel_BK[:, None, :, None], groups=batch * channels).view(images_BCHW.shape)
