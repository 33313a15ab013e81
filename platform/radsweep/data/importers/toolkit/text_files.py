"""Decode text files of a source: byte order marks, UTF-8, UTF-16, older encodings, and bytes that are damaged."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from radsweep.errors import InputError

EncodingErrors = Literal["strict", "replace"]
_BOMS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "cp850", "mac_roman",
    "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp874",
]  # fmt: skip
_INVALID, _VALID = re.compile("[\udc80-\udcff]"), re.compile("[^\0-\x7f\udc80-\udcff]")
# What Czech or Polish text in cp1250 becomes if it is read as cp1252, and Western European text never contains.
_NOT_WESTERN = re.compile(r"[šžŠŽ]|[^\W\d_][³¹£¥¿¼¾¶ªº][^\W\d_]")
_FEW = 0.05  # share of bytes that are not ASCII, up to which an older encoding is taken for Western European


@dataclass(frozen=True)
class DecodedText:
    """Text of a file, the encoding it was read with, and how many of its bytes were replaced by U+FFFD."""

    text: str
    encoding: str
    replaced: int = 0


def read_text(path: Path) -> DecodedText:
    """Read a text file of a published set; damaged bytes become U+FFFD and are counted. Raises InputError."""
    try:
        return decode_text(path.read_bytes(), path, errors="replace")
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error.strerror or 'it is damaged'}") from error


def decode_text(
    data: bytes, path: Path, encoding: str = "auto", errors: EncodingErrors = "strict", with_options: bool = False
) -> DecodedText:
    """Decode the bytes of a file, without its byte order mark.

    Args:
        path: for messages.
        encoding: `auto` for `detect_encoding`.
        errors: `replace` puts U+FFFD for bytes that do not belong to the encoding.
        with_options: the user can change `encoding` and `errors`, so that messages may say so.

    Raises:
        InputError: an unknown encoding, or with `strict`, bytes that do not belong to it; it names the line.
    """
    used = detect_encoding(data) if encoding == "auto" else encoding
    try:
        text, replaced = data.decode(used), 0
    except (LookupError, TypeError) as error:  # TypeError: a codec that does not make text, such as base64
        raise InputError(
            f"{path}: encoding {encoding!r} is not known; give for example utf-8, cp1252, latin-1"
        ) from error
    except UnicodeError as error:
        if errors == "strict":
            raise InputError(f"{path}: {_trouble(data, used, error, encoding == 'auto', with_options)}") from error
        text = data.decode(used, errors="replace")
        replaced = text.count("\ufffd") - data.count("\ufffd".encode(used, errors="ignore") or b"\xff\xff\xff\xff")
    return DecodedText(text.lstrip("\ufeff"), used, replaced)


def detect_encoding(data: bytes) -> str:
    """Detect an encoding: by a byte order mark, else UTF-16, UTF-8, or an older one if the text as a whole is in it.

    Text is UTF-8 with damaged bytes if it has one character of UTF-8 for two bytes that are none; in text of an older
    encoding, these are rare. An older encoding is cp1252 for text that is nearly all ASCII (Western records with a
    degree sign or a curly quote), else the guess of charset-normalizer.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    if wide := _utf_16(data[:4096]):
        return wide
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", errors="surrogateescape")
    if 2 * len(_VALID.findall(text)) >= len(_INVALID.findall(text)):
        return "utf-8"
    western = _is_western(data)
    if western and sum(byte > 127 for byte in data) <= _FEW * len(data):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(data[: data.rfind(b"\n", 0, 1_000_000) + 1 or 1_000_000], cp_isolation=_LEGACY).best()
    if best and not (best.encoding in ("cp1250", "cp1257") and western):
        return best.encoding
    return "cp1252" if western else "latin-1"


def _is_western(data: bytes) -> bool:
    try:
        return not _NOT_WESTERN.search(data.decode("cp1252"))
    except UnicodeDecodeError:
        return False


def _utf_16(start: bytes) -> str:
    """Return the byte order of UTF-16 without a mark: in text with some ASCII every other byte is often 0."""
    pairs = len(start) // 2
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if pairs and odd > 0.1 * pairs and even <= 0.01 * pairs:
        return "utf-16-le"
    if pairs and even > 0.1 * pairs and odd <= 0.01 * pairs:
        return "utf-16-be"
    return ""


def _trouble(data: bytes, used: str, error: UnicodeError, detected: bool, with_options: bool) -> str:
    start = error.start if isinstance(error, UnicodeDecodeError) else 0
    line = data.count(b"\n", 0, start) + 1
    if not with_options:
        return f"line {line} has a byte that is not {used}; download the file again, or correct that line"
    replace = "replace what does not belong to it with --encoding-errors replace"
    if detected or detect_encoding(data) == used:
        count = len(_INVALID.findall(data.decode("utf-8", errors="surrogateescape"))) if used == "utf-8" else 0
        several = f", one of {count} such bytes in the file" if count > 1 else ""
        return f"line {line} has a byte that is not {used}{several}; the rest is. Correct that line, or {replace}"
    return f"line {line} is not {used}; try --encoding auto, cp1252 or latin-1, or {replace}"
