"""Preprocessing of a published model's images, from the files of a hub id or local folder. No weights are read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from PIL.Image import Resampling

from radsweep.data.images.preprocessing import Interpolation, Preprocessing
from radsweep.errors import InputError, first_line
from radsweep.models.configs import BIOVIL_T_FILE, CXR_BERT, IMAGE_KINDS, OPEN_CLIP, biovil_file, model_config
from radsweep.models.open_clip_config import open_clip_settings

# pixels, of hi-ml's inference (Boecking et al. 2022; Bannur et al. 2023)
_BIOVIL_SIZE, _BIOVIL_CROP, _BIOVIL_T_CROP = 512, 480, 448


def published_preprocessing(name: str) -> Preprocessing:
    """The preprocessing that a model's own library gives its images.

    Raises:
        InputError: no such model, or its files do not say it.
    """
    return _read(name, _changed(name))


def _changed(name: str) -> float:
    """The time at which a file of a local folder was last written."""
    folder = Path(name)
    return max((file.stat().st_mtime for file in folder.iterdir()), default=0.0) if folder.is_dir() else 0.0


@cache
def _read(name: str, changed: float) -> Preprocessing:
    config = model_config(name, IMAGE_KINDS)
    if config["model_type"] == OPEN_CLIP:
        known = open_clip_settings(config, name)
        return Preprocessing(known.resize, known.size, known.size, known.interpolation, known.mean, known.std)
    if config["model_type"] == CXR_BERT:
        crop = _BIOVIL_T_CROP if biovil_file(name) == BIOVIL_T_FILE else _BIOVIL_CROP
        return Preprocessing(
            "shortest", _BIOVIL_SIZE, crop, "bilinear", mean=(0.0,), std=(1.0,), grey=True, full_range=True
        )
    return _of_processor(image_processor(name), name)


def image_processor(name: str) -> Any:
    """The image processor of the transformers library beside a model's weights.

    Raises:
        InputError: there is none.
    """
    import transformers

    try:
        return transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} does not say how its pixels are normalised ({first_line(error)}); save its image "
            "processor (preprocessor_config.json) beside the weights"
        ) from None


def normalisation(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pixels between 0 and 1 that a transformers processor normalises with."""
    scale = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else (0.0, 1.0)
    return _scaled(mean, scale), _scaled(std, scale)


def _scaled(values: Any, scale: float) -> tuple[float, ...]:
    return tuple(value / scale for value in ((values,) if isinstance(values, float | int) else values))


def _of_processor(processor: Any, name: str) -> Preprocessing:
    size = dict(processor.size) if processor.do_resize else {}
    crop = dict(processor.crop_size) if getattr(processor, "do_center_crop", False) else size
    shortest, side = size.get("shortest_edge"), _side(size)
    if (cut := _side(crop)) is None or (shortest is None) == (side is None):
        raise InputError(
            f"the image processor of {name} ({type(processor).__name__}) does not make squares by resizing and a crop "
            "in the middle; set model.image.preprocessing to letterbox",
            key="model.image.preprocessing",
        )
    mean, std = normalisation(processor)
    return Preprocessing(
        resize="squash" if shortest is None else "shortest",
        size=int(shortest or side or cut),
        crop=cut,
        interpolation=cast(Interpolation, Resampling(int(processor.resample)).name.lower()),
        mean=mean,
        std=std,
        resampler="torchvision" if getattr(processor, "backend", "pil") == "torchvision" else "pillow",
        centre="down",
    )


def _side(size: dict[str, Any]) -> int | None:
    """The side of a square; None if `size` is none."""
    height, width = size.get("height"), size.get("width")
    return int(height) if height is not None and height == width else None
