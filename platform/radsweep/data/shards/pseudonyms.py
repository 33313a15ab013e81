"""Replace source ids by keyed hashes; key, mapping and lists of rows stay in OUT/private (mode 700, files 600)."""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from radsweep.data.shards.schema import Study
from radsweep.errors import InputError

PRIVATE = "private"
_HEX_DIGITS = 20  # 80 bits: among a million ids, a chance collision has probability 4e-13
_BYTES_OF_A_NAME = "surrogateescape"  # names of files need not be UTF-8


def new_key() -> bytes:
    return secrets.token_bytes(32)


def read_key(path: Path) -> bytes:
    """Read the key from a file like `private/key` (hexadecimal). Raises InputError."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the key cannot be read; expected a file of hexadecimal digits") from error
    if len(key) < 16:
        raise InputError(f"{path}: the key has {len(key)} bytes; expected 16 or more")
    return key


def keyed_hash(key: bytes, kind: str, *parts: str) -> str:
    """Return 20 hex digits of the HMAC-SHA256 of an id and its owners: `keyed_hash(key, "study", patient, study)`."""
    texts = [text.encode("utf-8", _BYTES_OF_A_NAME) for text in (kind, *parts)]
    message = b"".join(len(text).to_bytes(8, "big") + text for text in texts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:_HEX_DIGITS]


def write_private(folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in `folder`/private that only its owner can read."""
    with open_private(folder, name) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def open_private(folder: Path, name: str) -> IO[str]:
    private = folder / PRIVATE
    private.mkdir(mode=0o700, exist_ok=True)
    private.chmod(0o700)
    handle = os.open(private / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", errors=_BYTES_OF_A_NAME, newline="")


class Pseudonyms:
    """Replace the ids of studies by keyed hashes, and write each replacement to private/ids.csv."""

    def __init__(self, folder: Path, key: bytes) -> None:
        with open_private(folder, "key") as file:
            file.write(key.hex() + "\n")
        self._key = key
        self._file = open_private(folder, "ids.csv")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["kind", "hashed", "patient", "study", "image"])
        self._patients: dict[str, str] = {}

    def patient(self, source: str) -> str:
        if source not in self._patients:
            hashed = keyed_hash(self._key, "patient", source)
            self._patients[source] = hashed
            self._writer.writerow(["patient", hashed, source, "", ""])
        return self._patients[source]

    def study(self, study: Study) -> str:
        hashed = keyed_hash(self._key, "study", study.patient_id, study.study_id)
        self._writer.writerow(["study", hashed, study.patient_id, study.study_id, ""])
        return hashed

    def image(self, study: Study, image_id: str) -> str:
        hashed = keyed_hash(self._key, "image", study.patient_id, study.study_id, image_id)
        self._writer.writerow(["image", hashed, study.patient_id, study.study_id, image_id])
        return hashed

    def close(self) -> None:
        self._file.close()
