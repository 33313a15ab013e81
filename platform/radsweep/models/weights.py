"""Files of weights: tensors by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from radsweep.errors import InputError
from radsweep.models.hub import Unreadable, find_file, read_json

FILES = ("model.safetensors", "pytorch_model.bin")
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")


def read_weights(name: str, prefixes: tuple[str, ...], files: tuple[str, ...] = FILES) -> dict[str, Tensor]:
    """Tensors whose names begin with one of `prefixes`, from the first of `files` that there is, or from its shards.

    Args:
        name: local folder or hub id.

    Raises:
        InputError: none of the files is there, or one cannot be read.
    """
    try:
        for file in files:
            if (path := find_file(name, file)) is not None:
                return read_state(path, prefixes)
            if (index := read_json(name, f"{file}.index.json")) is not None:
                shards = {shard for tensor, shard in index["weight_map"].items() if tensor.startswith(prefixes)}
                tensors: dict[str, Tensor] = {}
                for shard in sorted(shards):
                    if (path := find_file(name, shard)) is None:
                        raise InputError(f"{name} lacks {shard}, a part of its weights; put it in")
                    tensors |= read_state(path, prefixes)
                return tensors
    except Unreadable as error:
        raise InputError(
            f"the weights of {name} cannot be loaded ({error}); give a local folder, or a hub id that can be reached "
            "from here"
        ) from None
    raise InputError(f"{name} has no weights; put {' or '.join(files)} in")


def read_state(path: Path, prefixes: tuple[str, ...] = ("",)) -> dict[str, Tensor]:
    """The same of one file: safetensors, else `torch.load(weights_only=True)`.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    state: Any
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefixes)}  # noqa: SIM118
        state = torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # each format has its own; all mean that this file cannot be used
        raise InputError(f"{path} cannot be read ({type(error).__name__}); expected a state dict of tensors") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not hold a plain state dict; save model.state_dict() by itself")
    return {name: tensor for name, tensor in state.items() if name.startswith(prefixes)}


def load_all(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Every weight of `module`, and no other.

    Raises:
        InputError: they do not fit.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"the weights do not fit {name}: {' '.join(str(error).split())[:300]}") from None


def linear_layer(state: Mapping[str, Tensor], prefix: str) -> nn.Linear:
    """`prefix.weight` [out, in, ...] and, if any, `prefix.bias`, in float32."""
    weight = state[f"{prefix}.weight"].float().flatten(1)
    bias = state.get(f"{prefix}.bias")
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    return layer


@contextmanager
def expected(name: str) -> Iterator[None]:
    """Within, a tensor that is looked up in vain means that the weights of `name` are not what they should be."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"the weights of {name} lack {error}, which a model of its kind has") from None
