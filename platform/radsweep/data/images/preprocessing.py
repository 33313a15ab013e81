"""A model's own preprocessing: how the images that it was trained on became squares.

Towers that are trained here take the letterbox of `radsweep.data.images.codec`. Resampling is antialiased: by Pillow,
as open_clip, timm and hi-ml do, or by torchvision on uint8, as transformers does since version 5 (they differ by one
grey level in a few of a thousand pixels).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from PIL import Image

from radsweep.data.images.codec import decode, to_8_bit

Resize = Literal["shortest", "longest", "squash"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]


@dataclass(frozen=True)
class Preprocessing:
    """Resizing, crop and normalisation, in this order.

    Attributes:
        resize: the shortest or the longest side becomes `size` and the aspect stays, or both become it (squash).
        size: pixels.
        crop: side of the square that is cut out at the centre; where the picture is smaller, the rest is black.
        interpolation: of resizing.
        mean, std: of pixels between 0 and 1, one for all channels of the tower or one for each.
        resampler: library that resizes.
        centre: rounding of half a pixel at the crop's edge: torchvision and open_clip round it to even, transformers
            rounds it down.
        grey: colours are turned into grey before anything else.
        full_range: values are stretched, so that the darkest is 0 and the brightest 255.
    """

    resize: Resize
    size: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resampler: Literal["pillow", "torchvision"] = "pillow"
    centre: Literal["round", "down"] = "round"
    grey: bool = False
    full_range: bool = False

    @property
    def channels(self) -> Literal[1, 3]:
        """Channels that hold everything that the model sees of an image."""
        return 1 if self.grey else 3

    @property
    def geometry(self) -> tuple[object, ...]:
        """Everything that decides the pixels before normalisation: images may only be shared if it is equal."""
        return tuple(
            value for name, value in dataclasses.asdict(self).items() if name not in ("mean", "std")
        )  # normalisation is part of the tower

    def at(self, side: int) -> Self:
        """The same for a square of another side: the crop keeps its part of the picture."""
        return dataclasses.replace(self, size=round(self.size * side / self.crop), crop=side)

    def square(self, image: np.ndarray, channels: int) -> np.ndarray:
        """Convert [H, W] or [H, W, 3], uint8 or uint16, to uint8 [channels, crop, crop]; channels is 1 or 3."""
        picture = Image.fromarray(stretched(image) if self.full_range else to_8_bit(image))
        if self.grey or channels == 1:
            picture = picture.convert("L")
        square = self._cropped(self._resized(picture))
        array = np.asarray(square)
        if array.ndim == 2:
            return np.repeat(array[None], channels, axis=0)
        return np.ascontiguousarray(array.transpose(2, 0, 1))

    def _resized(self, picture: Image.Image) -> Image.Image:
        size = self._target(*picture.size)
        if self.resampler == "pillow":
            return picture.resize(size, Image.Resampling[self.interpolation.upper()])
        import torch  # here, since no other decoding needs it
        from torchvision.transforms.v2 import InterpolationMode, functional

        colour_HWC = np.array(picture.convert("RGB"))  # one channel by itself would be rounded in another way
        pixels_CHW = torch.from_numpy(colour_HWC).permute(2, 0, 1).contiguous()
        mode = InterpolationMode(self.interpolation)
        resized = functional.resize(pixels_CHW, [size[1], size[0]], mode, antialias=True)
        return Image.fromarray(resized.permute(1, 2, 0).numpy()).convert(picture.mode)

    def _target(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after resizing, as torchvision, open_clip and transformers round them."""
        if self.resize == "squash":
            return self.size, self.size
        if self.resize == "longest":
            ratio = max(width, height) / self.size
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        if width <= height:
            return self.size, int(self.size * height / width)
        return int(self.size * width / height), self.size

    def _cropped(self, picture: Image.Image) -> Image.Image:
        left, top = (self._offset(length) for length in picture.size)
        return picture.crop((left, top, left + self.crop, top + self.crop))

    def _offset(self, length: int) -> int:
        """First pixel of the crop along a side; below 0 if the picture is smaller."""
        if length < self.crop:
            return -((self.crop - length) // 2)
        half = (length - self.crop) / 2
        return round(half) if self.centre == "round" else int(half)


def stretched(image: np.ndarray) -> np.ndarray:
    """Return uint8: the darkest value 0 and the brightest 255, cut off to whole numbers (Boecking et al. 2022)."""
    values = image.astype(np.float64)
    values -= values.min(initial=np.inf)
    return (values / (values.max(initial=0) or 1) * 255).astype(np.uint8)


def decode_as(data: bytes, preprocessing: Preprocessing, channels: int) -> np.ndarray:
    """Decode a picture to uint8 [channels, crop, crop]. Raises PictureError.

    A JPEG is decoded in full: a quick decoding at half its size differs by a few grey levels.
    """
    return preprocessing.square(decode(data), channels)
