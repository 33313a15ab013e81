"""Files of a model in a local folder or on the Hugging Face hub. Nothing in them is run."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from radsweep.errors import first_line

SECONDS = 5.0  # for the hub to answer, before a name counts as unreadable


class Unreadable(Exception):
    """Neither a local folder, nor a hub id that can be read from here; the reason in one line."""


def find_file(name: str, file: str) -> Path | None:
    """The path of a file, fetched from the hub if need be; None where the folder or repository lacks it.

    Args:
        name: local folder or hub id.

    Raises:
        Unreadable
    """
    if Path(name).is_dir():
        path = Path(name) / file
        return path if path.is_file() else None
    return _fetch(name, file)


def has_file(name: str, file: str) -> bool:
    """The same, without fetching it."""
    return (Path(name) / file).is_file() if Path(name).is_dir() else _ask(name, file)


def read_json(name: str, file: str) -> dict[str, Any] | None:
    """The object in a JSON file; None where the folder or repository lacks it.

    Raises:
        Unreadable
    """
    path = find_file(name, file)
    if path is None:
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise Unreadable(f"its {file} is not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable(f"its {file} is not a JSON object")
    return value


@cache
def _fetch(name: str, file: str) -> Path | None:
    """Cached, so that one answer of the hub serves every part of a model."""
    from huggingface_hub import hf_hub_download

    if not _ask(name, file):
        return None
    try:
        return Path(hf_hub_download(name, file, etag_timeout=SECONDS))
    except Exception as error:  # of the network, the hub, or the disk
        raise Unreadable(first_line(error)) from None


@cache
def _ask(name: str, file: str) -> bool:
    """True if the hub has the file, by one quick request: `hf_hub_download` asks six times over half a minute."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    try:
        if isinstance(try_to_load_from_cache(name, file), str):
            return True  # `hf_hub_download` looks once for a newer one
        get_hf_file_metadata(hf_hub_url(name, file), timeout=SECONDS)
    except EntryNotFoundError:
        return False
    except Exception as error:  # of the network, the hub, or a name that can be none
        raise Unreadable(first_line(error)) from None
    return True
