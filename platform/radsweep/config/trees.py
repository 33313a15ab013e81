"""Settings built from nested values; what is wrong with them is explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from radsweep.config import keys
from radsweep.config.explain import explain
from radsweep.config.trial import Trial
from radsweep.errors import joined

Checked = TypeVar("Checked", bound=BaseModel)


def trial_with(base: Trial, values: Mapping[str, Any]) -> Trial:
    """`base` with dotted keys set.

    Raises:
        InputError: an unknown key or a value out of bounds.
    """
    return from_tree(Trial, keys.with_values(base.model_dump(mode="json"), values))


def from_tree(model: type[Checked], tree: Mapping[str, Any], file: str = "") -> Checked:
    """Settings from nested values as a file has them; `file` is where they were read from, for messages.

    Raises:
        InputError: a line for each value that is wrong.
    """
    try:  # JSON mode: lists pass for tuples, but text never passes for a number
        return model.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        raise joined(explain(model, detail, file) for detail in error.errors()) from None
