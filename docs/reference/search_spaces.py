"""Page of the ready-made experiment files, each with the question that it begins with."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"
INTRODUCTION = """\
# Ready-made experiments

These files are in `search_spaces/` of a checkout, and in `radsweep/search_spaces/` of an installed package. Files on
the phantom (`phantom:...`) run as they are; the others name the data that they need. Any file may be the start of your
own, and [every field](experiment-file.md) can be changed with `--set`.
"""


def page() -> str:
    return "\n".join([INTRODUCTION, *(_text(file) for file in sorted(FOLDER.glob("*.yaml")))])


def _text(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    about = " ".join(line.removeprefix("#").strip() for line in lines[:first])
    block = "\n".join(["```yaml", *lines[first:], "```"])
    return f"## {file.name} {{ #{file.stem} }}\n\n{about}\n\n{block}\n"
