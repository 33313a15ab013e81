"""Weights of the transformers library, loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from radsweep.errors import InputError, first_line
from radsweep.models.configs import CXR_BERT

_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


def without_attention_dropout(config: Any) -> Any:
    """The same transformers configuration, changed in place."""
    for name in _ATTENTION_DROPOUT:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    return config


def load_pretrained(model_class: Any, name: str, config: Any, **extra: Any) -> nn.Module:
    """A model in float32 from a hub id or local folder: safetensors, else `torch.load(weights_only=True)`.

    Raises:
        InputError: the weights cannot be read, or lack a part of the model.
    """
    return _load(model_class, name, pretrained_model_name_or_path=name, config=config, **extra)


def load_tensors(model_class: Any, state: Mapping[str, Tensor], config: Any, name: str, **extra: Any) -> nn.Module:
    """The same from tensors, under the names that the library's checkpoints have; `name` is their source."""
    return _load(model_class, name, pretrained_model_name_or_path=None, state_dict=dict(state), config=config, **extra)


def load_as_far_as_known(model_class: Any, name: str, config: Any) -> tuple[nn.Module, list[str]]:
    """The same, and the names of weights that the checkpoint lacks, which are then random.

    Raises:
        InputError: the weights cannot be read.
    """
    return _read(model_class, name, pretrained_model_name_or_path=name, config=config)


def text_config(model_class: Any, name: str, raw: dict[str, Any]) -> Any:
    """Configuration of a text model, without dropout of attention.

    Args:
        raw: config.json, as `radsweep.models.configs.model_config` reads it.
    """
    if raw["model_type"] == CXR_BERT:  # a BERT under a name that only code of its repository knows
        config = model_class.config_class(**{key: value for key, value in raw.items() if key != "model_type"})
    else:
        config = model_class.config_class.from_pretrained(name)
    return without_attention_dropout(config)


def _load(model_class: Any, name: str, **arguments: Any) -> nn.Module:
    model, missing = _read(model_class, name, **arguments)
    if missing:
        raise InputError(
            f"{name} lacks {len(missing)} weights of {model_class.__name__}, such as {missing[0]}; give a folder whose "
            "weights belong to its config.json"
        )
    return model


def _read(model_class: Any, name: str, **arguments: Any) -> tuple[nn.Module, list[str]]:
    try:
        with _quiet():
            model, report = model_class.from_pretrained(dtype=torch.float32, output_loading_info=True, **arguments)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the weights of {name} cannot be loaded ({first_line(error)}); give a local folder with "
            "model.safetensors, or a hub id that can be reached from here"
        ) from None
    return model, sorted(report["missing_keys"])


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no table of the heads that are left out, again for every trial."""
    verbosity, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if bars:
            transformers.logging.enable_progress_bar()
