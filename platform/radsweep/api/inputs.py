"""Inputs of `embed_images` and `embed_reports`, prepared as for training: the same grey levels, the same text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from PIL import ImageOps

from radsweep.data.images import codec
from radsweep.data.images.codec import BlankError, PictureError
from radsweep.data.images.faults import advice
from radsweep.data.images.preprocessing import Preprocessing, decode_as
from radsweep.data.images.read import picture_of, read_picture
from radsweep.data.importers.toolkit.sections import SectionChooser
from radsweep.data.packing.rows import PLACEHOLDERS
from radsweep.errors import InputError

ImageInput = str | os.PathLike[str] | PIL.Image.Image | np.ndarray | torch.Tensor
ReportInput = str | Mapping[str, str]
_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
_SHAPES = "expected an image of shape [H, W] or [H, W, 3] (tensors: [3, H, W]), or several of shape [B, ...]"


def images_of(images: ImageInput | Iterable[ImageInput]) -> Iterator[tuple[str, ImageInput]]:
    """Yield each image with its name for messages: its path, or `image 3`."""
    if isinstance(images, np.ndarray | torch.Tensor):
        images = list(images) if images.ndim == 4 else [images]
    elif isinstance(images, str | os.PathLike | PIL.Image.Image):
        images = [images]
    for number, image in enumerate(images):
        yield (os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {number}"), image


def reports_of(reports: ReportInput | Iterable[ReportInput]) -> Iterator[tuple[str, ReportInput]]:
    """Yield each report with its name for messages: `report 3`."""
    given = [reports] if isinstance(reports, str | Mapping) else reports
    yield from ((f"report {number}", report) for number, report in enumerate(given))


def square(
    name: str, image: ImageInput, longest: int | None, size: int, channels: int, own: Preprocessing | None = None
) -> np.ndarray:
    """Return uint8 [channels, size, size] of the image as packing would store it.

    Args:
        longest: longest side that the data set was packed with.
        own: a model's own preprocessing, which makes squares of `size`; None for the letterbox.

    Raises:
        InputError: the image cannot be read. The message names it and gives the reason.
    """
    try:
        if isinstance(image, str | os.PathLike):
            stored = read_picture(Path(image).expanduser(), longest)
        else:
            stored = picture_of(codec.encode(_plain(name, image), lossless=True), longest)
        if own is not None:
            return decode_as(stored.data, own, channels)
        return codec.decode_square(stored.data, size, channels)
    except BlankError as error:
        raise InputError(f"{name}: {error}, one value throughout; packing leaves such images out") from None
    except PictureError as error:
        raise InputError(f"{name}: {error}; {advice(str(error)) or 'expected a JPEG, PNG or DICOM file'}") from None


def text_of(name: str, report: ReportInput, sections: Sequence[str]) -> str:
    """The text that packing would store of a report.

    Args:
        sections: those that the data set was packed with, in order of preference; empty if its reports have none.

    Raises:
        InputError: the report is not text, is empty, or has none of the sections. The message names it.
    """
    if isinstance(report, Mapping):
        if not sections:
            raise InputError(f"{name}: the data set of this model has no sections; give the text of the report")
        text = SectionChooser(sections, PLACEHOLDERS).choose(report)
        if not text:
            raise InputError(f"{name}: none of the sections {', '.join(sections)} has text")
    elif isinstance(report, str):
        text = report
    else:
        raise InputError(f"{name}: expected text, found {type(report).__name__}")
    if not text.strip():
        raise InputError(f"{name}: is empty")
    return text.strip()


def _plain(name: str, image: object) -> PIL.Image.Image:
    """Convert to an image that a PNG file can hold without loss."""
    if isinstance(image, PIL.Image.Image):
        try:
            picture = ImageOps.exif_transpose(image)
        except Exception as error:  # decoders raise any exception on broken bytes
            raise InputError(f"{name}: cannot be decoded ({error})") from None
        if picture.mode == "F":
            raise InputError(f"{name}: a PIL image of mode F has no fixed range; give an array between 0 and 1")
        return picture if picture.mode in _PNG_MODES else picture.convert("RGB")
    if isinstance(image, torch.Tensor):
        values = image.detach().cpu().numpy()
        values = np.moveaxis(values, 0, -1) if values.ndim == 3 else values
    elif isinstance(image, np.ndarray):
        values = image
    else:
        raise InputError(f"{name}: expected a path, a PIL image, an array or a tensor, found {type(image).__name__}")
    return PIL.Image.fromarray(_values(name, values))


def _values(name: str, values: np.ndarray) -> np.ndarray:
    """Return uint8 or uint16 [H, W], or uint8 [H, W, 3]."""
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.size == 0 or not (values.ndim == 2 or (values.ndim == 3 and values.shape[-1] == 3)):
        raise InputError(f"{name}: has shape {tuple(values.shape)}; {_SHAPES}")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise InputError(f"{name}: floating-point values have to be between 0 and 1")
        values = np.round(255 * values.astype(np.float32)).astype(np.uint8)
    if values.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{name}: expected uint8, uint16, or floats between 0 and 1, found {values.dtype}")
    return np.ascontiguousarray(codec.to_8_bit(values) if values.ndim == 3 else values)
