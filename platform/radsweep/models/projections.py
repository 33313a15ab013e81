"""Projections of a whole vision-language model, and its scale of similarities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from radsweep.errors import explaining
from radsweep.models.configs import CXR_BERT, OPEN_CLIP, WHOLE_KINDS, model_config
from radsweep.models.pretrained_vlm import KEY
from radsweep.models.weights import OPEN_CLIP_FILES, expected, linear_layer, read_weights


class Joint(NamedTuple):
    """Projections map pooled features to the shared space, before they are brought to unit length."""

    image: nn.Module
    text: nn.Module
    scale: float | None = None  # natural logarithm; None if it was not published
    bias: float | None = None  # of the sigmoid loss


@explaining(key=KEY)
def load_joint(name: str) -> Joint:
    """Load them from a hub id or local folder, in float32 on the CPU.

    Raises:
        InputError: it cannot be read.
    """
    kind = model_config(name, WHOLE_KINDS)["model_type"]
    with expected(name):
        return _LOADERS[kind](name)


def _clip(name: str) -> Joint:
    state = read_weights(name, ("visual_projection.", "text_projection.", "logit_scale"))
    image, text = linear_layer(state, "visual_projection"), linear_layer(state, "text_projection")
    return Joint(image, text, state["logit_scale"].item())


def _siglip(name: str) -> Joint:
    """The image tower ends in attention pooling, and has no projection."""
    state = read_weights(name, ("text_model.head.", "logit_"))
    text = linear_layer(state, "text_model.head")
    return Joint(nn.Identity(), text, state["logit_scale"].item(), state["logit_bias"].item())


def _open_clip(name: str) -> Joint:
    """Each projection is one linear layer, or two with a GELU between, or none."""
    state = read_weights(name, ("visual.head.", "text.proj.", "logit_"), OPEN_CLIP_FILES)
    bias = state.get("logit_bias")
    return Joint(
        image=_mlp(state, "visual.head."),
        text=_mlp(state, "text.proj."),
        scale=state["logit_scale"].item(),
        bias=None if bias is None else bias.item(),
    )


def _biovil(name: str) -> Joint:
    """No scale was published with the projections."""
    from radsweep.models.biovil import LAST_OF_PROJECTOR, biovil_state

    head = "cls_projection_head."
    state = read_weights(name, (head,))
    norm = nn.LayerNorm(len(state[f"{head}LayerNorm.weight"]), eps=1e-12)
    norm.load_state_dict({part: state[f"{head}LayerNorm.{part}"] for part in ("weight", "bias")})
    first, last = (linear_layer(state, head + part) for part in ("dense_to_hidden", "dense_to_output"))
    image = linear_layer(biovil_state(name), LAST_OF_PROJECTOR)
    return Joint(image, nn.Sequential(first, nn.GELU(), norm, last))


def _mlp(state: Mapping[str, Tensor], prefix: str) -> nn.Module:
    layers = [
        linear_layer(state, name.removesuffix(".weight"))
        for name in sorted(state)  # proj; 0 and 2; mlp.fc1 and mlp.fc2
        if name.startswith(prefix) and name.endswith("weight")
    ]
    if len(layers) > 1:
        return nn.Sequential(layers[0], nn.GELU(), layers[1])
    return layers[0] if layers else nn.Identity()


_LOADERS: dict[str, Callable[[str], Joint]] = {
    "clip": _clip,
    "siglip": _siglip,
    OPEN_CLIP: _open_clip,
    CXR_BERT: _biovil,
}
