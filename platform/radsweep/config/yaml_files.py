"""YAML as the project reads it: safe, without repeated keys; and files that ship or are a user's own."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from radsweep.errors import InputError


class UniqueKeys(yaml.constructor.BaseConstructor):
    """Mixin of a loader that refuses repeated keys. YAML libraries keep the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    problem = f"key {key!r} is repeated"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


class TextLoader(UniqueKeys, yaml.BaseLoader):
    """Reads every value as text: `no` is a word or a class, not false."""


def shipped_names(folder: Traversable) -> list[str]:
    """The names, without `.yaml`, of the files that ship in `folder`."""
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def read_shipped(name: str, folder: Traversable, what: str) -> str:
    """The text of `name.yaml` among the files that ship in `folder`, else of the file at the path `name`.

    Args:
        what: they are (a language), for messages.

    Raises:
        InputError: neither, or no UTF-8.
    """
    shipped = shipped_names(folder)
    if name in shipped:
        return (folder / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not valid UTF-8; save it as UTF-8") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{name}: is neither {what} that ships ({', '.join(shipped)}) nor a file that can be read ({reason})"
        ) from None
