"""The commands in README and docs."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from support.pages import blocks, spans


class Told(NamedTuple):
    """Text that a page says to type after `radsweep`; a `mention` is within a sentence and may be a bare name."""

    place: str
    words: tuple[str, ...]
    mention: bool = False

    def __str__(self) -> str:
        return f"{self.place} {' '.join(self.words)}"


def told() -> list[Told]:
    lines = [(code.place, line) for code in blocks() if code.language == "bash" for line in code.text.splitlines()]
    typed = [(place, shlex.split(line.partition(" > ")[0], comments=True)) for place, line in lines]
    found = [Told(place, tuple(words[words.index("radsweep") + 1 :])) for place, words in typed if "radsweep" in words]
    mentions = [code for code in spans() if code.text.startswith("radsweep ")]
    return found + [Told(code.place, tuple(shlex.split(code.text)[1:]), mention=True) for code in mentions]


TOLD = told()
