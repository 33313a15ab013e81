"""Image towers of timm (Wightman): any of its models that gives a map of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from radsweep.config.model import ImageTower
from radsweep.errors import InputError, first_line
from radsweep.models.features import ImageFeatures, ImageTowerModule, PatchTower, regions_of_map, rows_of
from radsweep.models.layers import COARSEST_REGION, outer_blocks, residual_blocks
from radsweep.models.normalise import Pixels
from radsweep.models.timm_source import FILES, TimmSource, import_timm, timm_source, without_weights
from radsweep.models.weights import read_state, read_weights

ABOVE = "above"  # name that no group of a model's parameters matches


class TimmImage(ImageTowerModule):
    """Regions: the last map with a region of at most 16 pixels, else the last. Pooled: what its classifier reads."""

    def __init__(self, body: Any, channels: int) -> None:
        super().__init__()
        data = import_timm().data.resolve_model_data_config(body)
        self.pixels = Pixels(channels, channels, *(_of_channels(data[name], channels) for name in ("mean", "std")))
        self.body = body
        has_class_token = getattr(body, "cls_token", None) is not None
        self.prefix = int(getattr(body, "num_prefix_tokens", has_class_token))
        self.channels_last = getattr(body, "output_fmt", "") == "NHWC"
        self.stage = _stage(body)
        self.width = int(body.head_hidden_size)
        last = body.num_features
        self.region_width = int(last if self.stage is None else body.feature_info[self.stage]["num_chs"])

    def forward(self, pixels_BCHW: Tensor) -> ImageFeatures:
        pixels = self.pixels(pixels_BCHW)
        if self.stage is None:
            last = self.body.forward_features(pixels)
            regions_BRC = self._regions(last)
        else:
            last, maps = self.body.forward_intermediates(
                pixels, indices=[self.stage], stop_early=False, output_fmt="NCHW"
            )
            regions_BRC = regions_of_map(maps[0])
        pooled = self.body.forward_head(last, pre_logits=True)
        return ImageFeatures(pooled.flatten(1), regions_BRC)

    def _regions(self, last: Tensor) -> Tensor:
        if last.dim() == 3:
            return last[:, self.prefix :]
        return last.flatten(1, 2) if self.channels_last else regions_of_map(last)

    def layers(self) -> list[nn.Module]:
        matcher = self._matcher()
        if matcher is None:
            return residual_blocks(outer_blocks(self.body))
        groups = self._groups(matcher)
        top = groups.pop(ABOVE)
        named = dict(self.body.named_parameters())
        return [
            nn.ParameterList(named[name] for name, group in groups.items() if group == layer) for layer in range(1, top)
        ]

    def depths(self) -> dict[str, int]:
        matcher = self._matcher()
        if matcher is None:
            return super().depths()
        groups = self._groups(matcher)
        return {name: groups[name.removeprefix("body.")] for name, _ in self.named_parameters()}

    def _matcher(self) -> Any:
        """timm's own assignment of parameters to layers; None for models that have none."""
        return self.body.group_matcher(coarse=False) if hasattr(self.body, "group_matcher") else None

    def _groups(self, matcher: Any) -> dict[str, int]:
        groups: dict[str, int] = import_timm().models.group_parameters(_Named(self.body), matcher, reverse=True)
        return groups


class _Named:
    """A model's parameters, and one that is in no group: it is given the number above those of all layers."""

    def __init__(self, body: nn.Module) -> None:
        self.names = [name for name, _ in body.named_parameters()]

    def named_parameters(self) -> Iterator[tuple[str, None]]:
        yield from ((name, None) for name in (*self.names, ABOVE))


class TimmVit(TimmImage, PatchTower):
    """A ViT of timm's that reads its patches one by one."""

    def __init__(self, body: Any, channels: int, size: int) -> None:
        super().__init__(body, channels)
        self.patch = int(body.patch_embed.patch_size[0])
        self.patches = (size // self.patch) ** 2

    def encode_visible(self, pixels_BCHW: Tensor, kept_BV: Tensor) -> Tensor:
        def shown(_module: nn.Module, _inputs: Any, embedded_BLC: Tensor) -> Tensor:
            others, patches = embedded_BLC.split([embedded_BLC.shape[1] - self.patches, self.patches], dim=1)
            return torch.cat([others, rows_of(patches, kept_BV)], dim=1)

        hook = self.body.norm_pre.register_forward_hook(shown)  # the first module that reads all tokens, often empty
        try:
            tokens_BLC: Tensor = self.body.forward_features(self.pixels(pixels_BCHW))
        finally:
            hook.remove()
        return tokens_BLC


def timm_tower(settings: ImageTower, load: bool = True) -> TimmImage:
    """See `radsweep.models.image.build_image_tower`; without `load`, pretrained weights are left to the caller."""
    source = timm_source(settings.backbone)
    state = _state(source) if load and settings.weights == "pretrained" else None
    body = _body(source, settings.size, settings.channels, state)
    _without_own_dropout(body)
    if _reads_patches(body):
        return TimmVit(body, settings.channels, settings.size)
    return TimmImage(body, settings.channels)


def check_resizing(settings: ImageTower) -> None:
    """Refuse an image size that a model's pretrained weights do not fit; it looks for no weights.

    Raises:
        InputError: names `model.image.size`, and the size that the model was made for.
    """
    source = timm_source(settings.backbone)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        native = _body(source, None, 3, None)
        size = native.pretrained_cfg["input_size"][-1]
        if size == settings.size or not native.pretrained_cfg.get("fixed_input_size"):
            return
        try:
            _body(source, settings.size, settings.channels, native.state_dict())
        except NotImplementedError:
            return  # it has to be tried with values
        except InputError as error:
            raise InputError(
                f"{settings.backbone} was made for images of {size} pixels, and its weights cannot be used with "
                f"{settings.size} ({error.message}); set it to {size}",
                key="model.image.size",
            ) from None


def _body(source: TimmSource, size: int | None, channels: int, state: Mapping[str, Tensor] | None) -> Any:
    """The model without its classifier; `size` None is that of its own configuration."""
    timm = import_timm()
    arguments = timm.models.resolve_model_input_args(source.model, {"img_size": size, "in_chans": channels})
    if state is None:
        with _explained(source.model, size):
            return timm.create_model(**(arguments | {"num_classes": 0}))
    config = arguments["pretrained_cfg"]
    classes = _classes(config, state)
    overlay = {"state_dict": dict(state), "source": None, "num_classes": classes, "label_offset": None}
    with _explained(source.model, size):
        try:
            body = timm.create_model(
                **(arguments | {"num_classes": classes}), pretrained=True, pretrained_cfg_overlay=overlay
            )
        except NotImplementedError:
            raise
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"the weights do not fit {source.model}: {reason}") from None
    body.reset_classifier(0)
    body.pretrained_cfg.pop("state_dict")  # a second copy of every weight
    return body


def _state(source: TimmSource) -> dict[str, Tensor]:
    if not source.weights:
        raise without_weights(source)
    if Path(source.weights).is_file():
        return read_state(Path(source.weights))
    return read_weights(source.weights, ("",), FILES)


def _classes(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> int:
    """Number of classes that weights are for, so that all of them must fit; 0 if they have no classifier."""
    named = config.get("classifier") or ()
    for name in (named,) if isinstance(named, str) else named:
        if (weight := state.get(f"{name}.weight")) is not None:
            return len(weight)
    return 0


def _stage(body: Any) -> int | None:
    """Number of the last stage with regions of at most `COARSEST_REGION` pixels a side; None for the last map."""
    info = getattr(body, "feature_info", None) or []
    fine = [number for number, stage in enumerate(info) if stage["reduction"] <= COARSEST_REGION]
    if not fine or fine[-1] == len(info) - 1 or not hasattr(body, "forward_intermediates"):
        return None
    return fine[-1]


def _reads_patches(body: nn.Module) -> bool:
    from timm.layers import PatchEmbed
    from timm.models.vision_transformer import VisionTransformer

    return type(body) is VisionTransformer and type(body.patch_embed) is PatchEmbed


def _of_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return tuple(values) if len(values) == channels else (sum(values) / len(values),) * channels


def _without_own_dropout(body: nn.Module) -> None:
    """Leave out what cannot be seeded by sample: dropout within fused attention, and before a classifier."""
    for name, module in body.named_modules():
        if isinstance(module, nn.Dropout) and name.rpartition(".")[2] == "attn_drop":
            module.p = 0.0
        if isinstance(getattr(module, "drop_rate", None), float):
            module.drop_rate = 0.0


@contextmanager
def _explained(name: str, size: int | None) -> Iterator[None]:
    """Within, what a model says against its input is a mistake of the experiment file."""
    try:
        yield
    except NotImplementedError:  # an operation on a tensor without values
        raise
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        message = f"{name} cannot take images of {size} pixels ({first_line(error)})"
        raise InputError(message, key="model.image.size") from None
