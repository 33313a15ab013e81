"""Plain English wherever a person reads: messages, help, docstrings, comments, pages and names of tests.

Each pattern is a habit that this project once had. A pattern may find no more than `LEFT` says, most of them words of
reports and names of fields. Lower the number when you remove one.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("platform", "tests", "benchmarks", "docs", "jobs")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "benchmarks/*.md", "search_spaces/*.yaml")
# What reports and findings say in radiology, and lists of such words.
NOT_OURS = (
    "data/phantom/vocabulary.py",
    "data/phantom/reports.py",
    "augment/plain_words.py",
    "test_language.py",
    "public_words",
)

PATTERNS = {
    "told, tells: say reported, printed, passed, known": r"\b(told|(?<!cannot )tells?(?! you)|telling)\b",
    "a postposed alone: say only, before the word": r"\balone\b",
    "is no X: say is not a X, not a valid X": r"\b(is|are|was|were) no(?! longer| more| less)\b",
    "where for if": r"\bwhere (it|they|that|there|this|one|nothing|none|no|several|both) "
    r"(is|are|was|has|have|can|may|do|does|need)\b",
    "anew: say again": r"\banew\b",
    "bear, bears: say support": r"\bbears?\b",
    "stands for is: say is": r"\bstands? (in|beside|below|above|there|at)\b",
    "lies for is stored": r"\bl(ie|ies|ay) (in|at|beside|on|under|there)\b",
    "owe": r"\bowes?\b",
    "is to be had": r"\bto be had\b",
}  # fmt: skip
LEFT = {
    "told, tells": 23,
    "a postposed alone": 14,
    "is no X": 14,
    "where for if": 5,
    "anew": 1,
    "stands for is": 1,
    "lies for is stored": 3,
    "docstrings": 11,
}
OPENINGS = r"\s*(What|Whether|How|Whose|Of|Which|Where|When|Why)\b"


class Text(NamedTuple):
    place: str
    text: str


@cache
def docstrings() -> tuple[Text, ...]:
    return tuple(
        Text(f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", docstring)
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (docstring := ast.get_docstring(node))
    )


@cache
def sources() -> tuple[Path, ...]:
    files = (file for folder in SOURCES for file in sorted((ROOT / folder).rglob("*.py")))
    return tuple(file for file in files if not any(part in str(file) for part in NOT_OURS))


@cache
def texts() -> tuple[Text, ...]:
    """Comments, strings and names of tests of the code, and the lines of pages outside of code blocks."""
    return (*(text for file in sources() for text in in_source(file)), *in_pages())


def in_source(file: Path) -> Iterator[Text]:
    for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
        place = f"{file.relative_to(ROOT)}:{token.start[0]}"
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield Text(place, token.string)
        elif token.type == tokenize.NAME and token.string.startswith("test_"):
            yield Text(place, token.string.replace("_", " "))


def in_pages() -> Iterator[Text]:
    for file in (file for pattern in PAGES for file in sorted(ROOT.glob(pattern))):
        fenced = False
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            fenced ^= line.lstrip().startswith("```")
            if not fenced:
                yield Text(f"{file.relative_to(ROOT)}:{number}", line)


def found(pattern: str) -> list[str]:
    expression = re.compile(pattern)
    return [f"{text.place}: {match[0]}" for text in texts() for match in expression.finditer(text.text)]


@pytest.mark.parametrize("habit", PATTERNS)
def test_texts_are_free_of(habit: str) -> None:
    places = found(PATTERNS[habit])
    assert len(places) <= LEFT.get(habit.split(":")[0], 0), "\n".join(places)


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    """PEP 257: `Return ...`, `Number of ...`; an indirect question says too late what it is about."""
    places = [f"{text.place}: {text.text.splitlines()[0]}" for text in docstrings() if re.match(OPENINGS, text.text)]
    assert len(places) <= LEFT["docstrings"], "\n".join(places)


if __name__ == "__main__":
    for habit, pattern in PATTERNS.items():
        print(f"{len(found(pattern)):5d}  {habit}")
    print(
        f"{sum(bool(re.match(OPENINGS, text.text)) for text in docstrings()):5d}  docstrings that begin with a question"
    )
