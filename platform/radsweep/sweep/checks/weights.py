"""Check that pretrained weights are available, before a trial needs them. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from radsweep.config.model import Model
from radsweep.config.paths import is_timm
from radsweep.errors import InputError, explaining
from radsweep.models.backbone_checks import image_source
from radsweep.models.configs import CXR_BERT, IMAGE_KINDS, OPEN_CLIP, TEXT_KINDS, WHOLE_KINDS, model_config
from radsweep.models.hub import Unreadable, has_file
from radsweep.models.timm_source import check_timm_weights


class _Named(NamedTuple):
    key: str
    name: str
    kinds: Collection[str]  # of transformers; empty for a model of timm's


def check_weights(models: Iterable[Model], against: Iterable[str]) -> list[str]:
    """Check the weights that models start from and those of public models; return their hub ids and folders.

    Args:
        against: pretrained vision-language models of `evaluate.public_models`.

    Raises:
        InputError: the error names the key, and the hub id or folder.
    """
    asked = dict.fromkeys(named for model in models for named in _pretrained(model))
    asked |= dict.fromkeys(_Named("evaluate.public_models", name, WHOLE_KINDS) for name in against)
    for named in asked:
        with explaining(key=named.key):
            _check(named)
    return list(dict.fromkeys(named.name for named in asked))


def _pretrained(model: Model) -> Iterator[_Named]:
    if model.pretrained is not None:
        yield _Named("model.pretrained", model.pretrained, WHOLE_KINDS)
        return
    if model.image.weights == "pretrained" and (source := image_source(model.image)) in ("timm", "transformers"):
        yield _Named("model.image.backbone", model.image.backbone, IMAGE_KINDS if source == "transformers" else ())
    if model.text.weights == "pretrained":
        yield _Named("model.text.backbone", model.text.backbone, TEXT_KINDS)


def _check(named: _Named) -> None:
    from radsweep.models.weights import FILES, OPEN_CLIP_FILES  # lazy import: PyTorch takes seconds to load

    key, name, kinds = named
    if is_timm(name):
        check_timm_weights(name)
        return
    kind = model_config(name, kinds)["model_type"]
    if kind == CXR_BERT and key == "model.image.backbone":
        return  # its file has a different name, which `check_model` checks
    files = OPEN_CLIP_FILES if kind == OPEN_CLIP else FILES
    silent = ""
    for part in (part for file in files for part in (file, f"{file}.index.json")):
        try:
            if has_file(name, part):
                return
        except Unreadable as error:  # another of the files may be in the cache
            silent = str(error)
    if silent:
        raise InputError(f"cannot download the weights of {name} ({silent})")
    raise InputError(f"{name} has no weights; add {' or '.join(files)}")
