"""Image towers by name, hub id, or local path."""

from __future__ import annotations

from radsweep.config.model import ImageTower
from radsweep.errors import InputError, explaining, first_line
from radsweep.models.backbone_checks import image_source
from radsweep.models.configs import CXR_BERT, IMAGE_KINDS, OPEN_CLIP, model_config
from radsweep.models.features import ImageTowerModule
from radsweep.models.tiny import TinyCnn


@explaining(key="model.image.backbone")
def build_image_tower(settings: ImageTower, load: bool = True) -> ImageTowerModule:
    """The tower, in float32 on the CPU; its random parts come from torch's global state.

    `freeze` and `lora` are left to `radsweep.models.vlm.build_model`: an adapted tower is loaded before them.

    Args:
        load: False if all weights are replaced next: those of torchvision and timm are then not looked for.

    Raises:
        InputError: unknown backbone, weights that cannot be read, a size or channels that do not fit.
    """
    source = image_source(settings)
    if source == "tiny":
        if settings.backbone == "tiny-cnn":
            return TinyCnn(settings.channels)
        from radsweep.models.torchvision_image import tiny_vit

        return tiny_vit(settings)
    if source == "torchvision":
        from radsweep.models.torchvision_image import torchvision_tower

        return torchvision_tower(settings, load)
    if source == "timm":
        from radsweep.models.timm_image import timm_tower

        return timm_tower(settings, load)
    config = model_config(settings.backbone, IMAGE_KINDS)
    if config["model_type"] == OPEN_CLIP:
        from radsweep.models.open_clip import open_clip_image

        return open_clip_image(settings, config)
    if config["model_type"] == CXR_BERT:
        from radsweep.models.biovil import biovil_image

        return biovil_image(settings)
    from radsweep.models.transformers_image import transformers_tower

    return transformers_tower(settings, config["model_type"])


def check_by_building(settings: ImageTower) -> ImageTowerModule:
    """A tower of torchvision or timm without the values of its weights, which are not looked for.

    Raises:
        InputError: as `build_image_tower`, or a size of image that the tower cannot take.
    """
    import torch

    from radsweep.models.probing import outputs_without_values

    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                tower = build_image_tower(settings, load=False)
        except NotImplementedError:  # some models compute with tensors while they are built
            tower = build_image_tower(settings, load=False)
    try:
        found = outputs_without_values(tower, settings.channels, settings.size)
    except NotImplementedError:
        return tower
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        message = f"{settings.backbone} cannot take images of {settings.size} pixels ({first_line(error)})"
        raise InputError(message, key="model.image.size") from None
    if (found.pooled_BP.shape[-1], found.regions_BRC.shape[-1]) != (tower.width, tower.region_width):
        raise InputError(f"{settings.backbone} does not give its features as other models do; choose another")
    return tower
