"""Word lists: the words that text augmentation does not change, and those that may stand for each other.

A list is one YAML file a language; `languages/english.yaml` shows the form. Case and accents do not count. A list with
`extends: english` only says what it adds to that one.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, NamedTuple

import yaml

from radsweep.augment.findings import Findings, words_of
from radsweep.config.yaml_files import TextLoader, read_shipped, shipped_names
from radsweep.errors import InputError, explaining, joined

Phrase = tuple[str, ...]  # a word or several, as `plain` leaves them

_KEY = "augment.text.words"
_PARTS = ("protected", "held", "findings", "synonyms")
_EXTENDS = "extends"
_LANGUAGES = resources.files("radsweep.augment") / "languages"


class WordList(NamedTuple):
    protected: frozenset[Phrase]  # nothing touches these
    held: frozenset[Phrase]  # keep their place, and may be replaced by a synonym
    findings: Findings  # held too, and only replaced whole
    synonyms: tuple[tuple[str, ...], ...]  # groups of words or phrases, as written in the file


def plain(text: str) -> str:
    """`text` without case and accents."""
    letters = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def phrase_of(text: str) -> Phrase:
    return tuple(plain(text).split())


def parts_of(phrase: Phrase) -> Iterator[Phrase]:
    """The phrase and every run of words within it."""
    for first in range(len(phrase)):
        for end in range(first + 1, len(phrase) + 1):
            yield phrase[first:end]


def check_words(words: str) -> str:
    """A hash of what the word list says; for a check before anything runs.

    Raises:
        InputError: as `load_words`.
    """
    loaded = load_words(words)
    content = [sorted(loaded.protected), sorted(loaded.held), sorted(loaded.findings.names.items()), loaded.synonyms]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def load_words(words: str) -> WordList:
    """The list of a language that ships, or that in a YAML file.

    Raises:
        InputError: no such language or file, or a file of another form; says what is wrong where.
    """
    with explaining(key=_KEY):
        tree = _read(words)
        problems = list(_wrong_form(tree))
        if not problems and _EXTENDS in tree:
            tree = _extended(_read(tree[_EXTENDS]), tree)
        if problems := problems or list(_wrong_synonyms(tree)):
            raise joined(InputError(f"{words}: {problem}") for problem in problems)
    return WordList(
        _phrases(tree["protected"]),
        _phrases(tree.get("held", {})),
        _findings(tree),
        tuple(tuple(" ".join(text.split()) for text in group) for group in tree.get("synonyms", [])),
    )


def _read(words: str) -> Any:
    try:
        return yaml.load(read_shipped(words, _LANGUAGES, "a language"), TextLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{words}: is not valid YAML: {' '.join(str(error).split())}") from None


def _extended(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A list that ships, with the groups of another: those of one name together."""
    result: dict[str, Any] = {"synonyms": [*shipped["synonyms"], *own.get("synonyms", [])]}
    for part in ("protected", "held", "findings"):
        added = own.get(part, {})
        names = dict.fromkeys((*shipped[part], *added))
        result[part] = {name: [*shipped[part].get(name, []), *added.get(name, [])] for name in names}
    return result


def _findings(tree: dict[str, Any]) -> Findings:
    return Findings({phrase_of(text): name for name, group in tree["findings"].items() for text in group})


def _phrases(groups: dict[str, list[str]]) -> frozenset[Phrase]:
    return frozenset(phrase_of(text) for group in groups.values() for text in group)


def _wrong_form(tree: Any) -> Iterator[str]:
    if not isinstance(tree, dict):
        yield f"expected the keys {', '.join(_PARTS)}"
        return
    known = (*_PARTS, _EXTENDS)
    yield from (f"unknown key {key!r}; expected {', '.join(_PARTS)}" for key in tree if key not in known)
    if _EXTENDS in tree and tree[_EXTENDS] not in (languages := shipped_names(_LANGUAGES)):
        yield f"extends: {tree[_EXTENDS]!r} is not a language that ships ({', '.join(languages)})"
    if "protected" not in tree and _EXTENDS not in tree:
        yield "the key `protected` is missing: which words nothing may touch (negations, sides, degrees, ...)"
    if "findings" not in tree and _EXTENDS not in tree:
        yield (
            "the key `findings` is missing: the names of findings, which no operation may delete, such as "
            "`pneumothorax: [pneumothora*]`"
        )
    for part in ("protected", "held", "findings"):
        groups = tree.get(part, {})
        if not isinstance(groups, dict):
            yield f"{part}: expected named lists of words, such as `negation: [no, not]`"
            continue
        for name, group in groups.items():
            yield from _wrong_texts(f"{part}.{name}", group, least=1, patterns=part == "findings")
    synonyms = tree.get("synonyms", [])
    if not isinstance(synonyms, list):
        yield "synonyms: expected a list of groups, such as `- [opacity, opacification]`"
        return
    for number, group in enumerate(synonyms, start=1):
        yield from _wrong_texts(f"synonyms, group {number}", group, least=2)


def _wrong_texts(where: str, group: Any, least: int, patterns: bool = False) -> Iterator[str]:
    if not isinstance(group, list) or len(group) < least:
        yield f"{where}: expected a list of {least} words or phrases, or more"
        return
    for text in group:
        phrase = phrase_of(text) if isinstance(text, str) else ()
        if patterns:
            phrase = words_of(phrase)
        if not phrase or not all(word.isalpha() and len(word) > 1 for word in phrase):
            yield (
                f"{where}: {text!r} is not made of words of two letters or more (single letters, numbers, punctuation "
                "and words joined by a hyphen are protected by themselves)"
            )


def _wrong_synonyms(tree: dict[str, Any]) -> Iterator[str]:
    protected, held = _phrases(tree["protected"]), _phrases(tree.get("held", {}))
    yield from (
        f"held: {_text(phrase)!r} is protected too: put it in one of them" for phrase in sorted(held & protected)
    )
    findings = _findings(tree)
    owner: dict[Phrase, int] = {}
    for number, group in enumerate(tree.get("synonyms", []), start=1):
        for text in group:
            phrase = phrase_of(text)
            where = f"synonyms, group {number}: {text!r}"
            if phrase in owner:
                yield f"{where} is in group {owner[phrase]} already"
            owner[phrase] = number
            for part in _first(part for part in parts_of(phrase) if part in protected):
                yield f"{where} holds the protected {_text(part)!r}, which nothing may bring in or replace"
        named = {text: findings.of(phrase_of(text)) for text in group}
        most = max(group, key=lambda text: len(named[text]))
        yield from (
            f"synonyms, group {number}: {most!r} names the finding {', '.join(sorted(named[most]))}, and {text!r} does "
            "not: list it there too, or put them in two groups"
            for text in group
            if named[text] != named[most]
        )


def _first(parts: Iterable[Phrase]) -> list[Phrase]:
    return list(parts)[:1]


def _text(phrase: Phrase) -> str:
    return " ".join(phrase)
