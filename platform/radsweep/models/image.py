"""Image towers by name, hub id, or local path."""

from __future__ import annotations

from radsweep.config.model import ImageTower
from radsweep.errors import explaining
from radsweep.models.backbone_checks import image_source
from radsweep.models.configs import CXR_BERT, IMAGE_KINDS, OPEN_CLIP, model_config
from radsweep.models.features import ImageTowerModule
from radsweep.models.tiny import TinyCnn


@explaining(key="model.image.backbone")
def build_image_tower(settings: ImageTower) -> ImageTowerModule:
    """The tower, in float32 on the CPU; its random parts come from torch's global state.

    `freeze` and `lora` are left to `radsweep.models.vlm.build_model`: an adapted tower is loaded before them.

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

        return torchvision_tower(settings)
    config = model_config(settings.backbone, IMAGE_KINDS)
    if config["model_type"] == OPEN_CLIP:
        from radsweep.models.open_clip import open_clip_image

        return open_clip_image(settings, config)
    if config["model_type"] == CXR_BERT:
        from radsweep.models.biovil import biovil_image

        return biovil_image(settings)
    from radsweep.models.transformers_image import transformers_tower

    return transformers_tower(settings, config["model_type"])
