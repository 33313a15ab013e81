"""Image towers by name, hub id, or local path."""

from __future__ import annotations

from radsweep.models.features import ImageTowerModule
from radsweep.models.sources import image_source
from radsweep.models.tiny import TinyCnn
from radsweep.spec.trial import ImageTower


def build_image_tower(settings: ImageTower) -> ImageTowerModule:
    """The tower, in float32 on the CPU; its random parts come from torch's global state.

    Raises:
        InputError: unknown backbone, weights that cannot be read, a size or channels that do not fit.
    """
    source = image_source(settings)
    if source == "tiny":
        return TinyCnn(settings.channels)
    if source == "torchvision":
        from radsweep.models.torchvision_image import torchvision_tower

        return torchvision_tower(settings)
    from radsweep.models.transformers_image import transformers_tower

    return transformers_tower(settings)
