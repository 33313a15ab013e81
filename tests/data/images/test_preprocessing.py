"""Row 10: squares of a model's own preprocessing, beside torchvision's transforms, of which open_clip's are made."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode as Mode
from torchvision.transforms.v2 import functional

from radsweep.data.images.codec import decode, decode_square
from radsweep.data.images.preprocessing import Preprocessing, decode_as

FIGURE1 = Path(__file__).resolve().parents[4] / "shared/data/figure1/images"
SIZES = [(301, 223), (223, 301), (97, 97), (64, 400), (250, 251), (48, 40), (1000, 771)]  # width, height
HALF, ONE = (0.5,) * 3, (1.0,) * 3
MODES = {"bilinear": Mode.BILINEAR, "bicubic": Mode.BICUBIC}


def picture(width: int, height: int, colour: bool = True) -> Image.Image:
    generator = np.random.default_rng(width * height)
    small = Image.fromarray(generator.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize((width, height))
    noise = generator.integers(0, 60, (height, width, 3))
    image = Image.fromarray(np.clip(np.asarray(small) + noise - 30, 0, 255).astype(np.uint8))
    return image if colour else image.convert("L")


def saved(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    return file.getvalue()


def resized_to_longest(image: Image.Image, size: int, mode: Mode) -> torch.Tensor:
    """As open_clip's `ResizeKeepRatio` with `longest=1` and `CenterCropOrPad`."""
    ratio = max(image.height / size, image.width / size)
    found = functional.resize(image, [round(image.height / ratio), round(image.width / ratio)], mode)
    return functional.pil_to_tensor(functional.center_crop(found, [size]))


def by_torchvision(image: Image.Image, resize: str, size: int, crop: int, mode: Mode) -> torch.Tensor:
    """uint8 [3, crop, crop], as open_clip's `image_transform` for inference."""
    if resize == "longest":
        return resized_to_longest(image.convert("RGB"), size, mode)
    step = v2.Resize(size if resize == "shortest" else (size, size), interpolation=mode)
    return v2.Compose([step, v2.CenterCrop(crop), v2.RGB(), v2.PILToTensor()])(image)


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize(
    ("resize", "size", "crop"), [("shortest", 64, 64), ("shortest", 73, 64), ("squash", 64, 64), ("longest", 64, 64)]
)
def test_row_10_pixels_are_those_of_open_clip(
    resize: str, size: int, crop: int, interpolation: str, colour: bool
) -> None:
    own = Preprocessing(resize, size, crop, interpolation, HALF, ONE)  # type: ignore[arg-type]
    for shape in SIZES:
        image = picture(*shape, colour=colour)
        expected = by_torchvision(image, resize, size, crop, MODES[interpolation])
        found = decode_as(saved(image), own, 3)
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected.numpy()), shape
        if not colour:
            assert np.array_equal(decode_as(saved(image), own, 1), expected.numpy()[:1])


@pytest.mark.parametrize("crop", [48, 224, 480])
def test_row_10_pixels_are_those_of_hi_ml(crop: int) -> None:
    """BioViL: values stretched to the full range, grey, resized bilinearly, cropped (health_multimodal.image)."""
    own = Preprocessing("shortest", 512, crop, "bilinear", (0.0,), (1.0,), grey=True, full_range=True)
    transform = v2.Compose([v2.Resize(512), v2.CenterCrop(crop), v2.PILToTensor()])
    for shape in SIZES:
        for colour in (True, False):
            image = picture(*shape, colour=colour)
            values = np.asarray(image).astype(float)
            values -= values.min()
            values /= values.max()
            values *= 255
            expected = transform(Image.fromarray(values.astype(np.uint8)).convert("L")).numpy()
            assert np.array_equal(decode_as(saved(image), own, 1), expected), shape
            assert np.array_equal(decode_as(saved(image), own, 3), np.repeat(expected, 3, axis=0))


def test_a_picture_of_16_bit_is_stretched_from_all_its_values() -> None:
    grey = np.linspace(1000, 5000, 64 * 64).astype(np.uint16).reshape(64, 64)
    own = Preprocessing("shortest", 64, 64, "bilinear", (0.0,), (1.0,), grey=True, full_range=True)
    square = decode_as(saved(Image.fromarray(grey)), own, 1)
    assert (square.min(), square.max()) == (0, 255)
    assert len(np.unique(square)) > 250
    blank = Image.fromarray(np.full((64, 64), 7, dtype=np.uint8))
    assert decode_as(saved(blank), own, 1).max() == 0


def test_transformers_rounds_half_a_pixel_down() -> None:
    image = picture(67, 64, colour=False)
    squares = {
        centre: Preprocessing("shortest", 64, 64, "bilinear", HALF, ONE, centre=centre).square(np.asarray(image), 1)
        for centre in ("round", "down")
    }
    assert np.array_equal(squares["down"][0], np.asarray(image)[:, 1:65])
    assert np.array_equal(squares["round"][0], np.asarray(image)[:, 2:66])


def test_another_side_keeps_the_part_that_is_seen() -> None:
    own = Preprocessing("shortest", 256, 224, "bicubic", HALF, ONE)
    assert own.at(224) == own
    half = own.at(112)
    assert (half.size, half.crop) == (128, 112)
    assert Preprocessing("squash", 224, 224, "bicubic", HALF, ONE).at(96).size == 96


def test_row_10_anatomy_is_larger_than_in_a_letterbox() -> None:
    """A disc as large as the shortest side: 64 pixels in a model's own square, 64 / 1.18 in a letterbox."""
    width, height = 118, 100
    y, x = np.mgrid[:height, :width]
    disc = np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 2) ** 2, 255, 0).astype(np.uint8)
    own = Preprocessing("shortest", 64, 64, "bicubic", HALF, ONE)
    areas = [
        (square > 127).sum()
        for square in (
            decode_as(saved(Image.fromarray(disc)), own, 1),
            decode_square(saved(Image.fromarray(disc)), 64, 1),
        )
    ]
    assert (areas[0] / areas[1]) ** 0.5 == pytest.approx(1.18, abs=0.01)


def test_normalisation_does_not_decide_which_images_are_shared() -> None:
    own = Preprocessing("shortest", 64, 64, "bicubic", HALF, ONE)
    assert own.geometry == Preprocessing("shortest", 64, 64, "bicubic", ONE, HALF).geometry
    others = [
        own.at(32),
        Preprocessing("squash", 64, 64, "bicubic", HALF, ONE),
        Preprocessing("shortest", 64, 64, "bilinear", HALF, ONE),
        Preprocessing("shortest", 64, 64, "bicubic", HALF, ONE, grey=True),
    ]
    assert len({each.geometry for each in (own, *others)}) == 5


@pytest.mark.skipif(not FIGURE1.is_dir(), reason="the real images of shared/data/figure1 are not here")
@pytest.mark.parametrize("resize", ["shortest", "squash", "longest"])
def test_row_10_real_images_are_those_of_open_clip(resize: str) -> None:
    own = Preprocessing(resize, 224, 224, "bicubic", HALF, ONE)  # type: ignore[arg-type]
    paths = sorted(path for path in FIGURE1.iterdir() if path.suffix in (".jpg", ".png", ".jpeg"))
    assert len(paths) >= 50
    for number, path in enumerate(paths):
        data = path.read_bytes()
        if decode(data).dtype != np.uint8:
            continue  # Pillow has no conversion of 16 bits
        with Image.open(io.BytesIO(data)) as image:
            expected = by_torchvision(image.convert("RGB"), resize, 224, 224, Mode.BICUBIC).numpy()
        assert np.array_equal(decode_as(data, own, 3), expected), number
