"""The preprocessing of a tower's images: the letterbox, or that of its pretrained weights."""

from __future__ import annotations

from functools import cache

from radsweep.config.model import ImageTower
from radsweep.data.images.preprocessing import Preprocessing
from radsweep.errors import InputError, explaining
from radsweep.models.backbone_checks import image_source
from radsweep.models.backbone_names import architecture_in
from radsweep.models.published import published_preprocessing
from radsweep.models.timm_source import timm_preprocessing


@explaining(key="model.image.preprocessing")
def preprocessing_of(settings: ImageTower) -> Preprocessing | None:
    """The tower's own preprocessing, for squares of `model.image.size`; None for the letterbox.

    Raises:
        InputError: `own` of a tower that starts at random, or of weights that do not say it.
    """
    if settings.preprocessing == "letterbox":
        return None
    if settings.weights == "scratch":
        raise InputError(
            f"{settings.backbone} starts at random and has no preprocessing of its own; set it to letterbox, or "
            "model.image.weights to pretrained or imagenet"
        )
    source = image_source(settings)
    if source == "torchvision":
        return _torchvision_preprocessing(architecture_in(settings.backbone)).at(settings.size)
    if source == "timm":
        return timm_preprocessing(settings.backbone).at(settings.size)
    return published_preprocessing(settings.backbone).at(settings.size)


@cache
def _torchvision_preprocessing(name: str) -> Preprocessing:
    """The preprocessing of the ImageNet weights, also for a file of weights: it says none."""
    import torchvision

    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    (size,), (crop,) = preset.resize_size, preset.crop_size
    return Preprocessing("shortest", size, crop, preset.interpolation.value, tuple(preset.mean), tuple(preset.std))
