"""Write reports that mention a study's findings in varying words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from radsweep.data.phantom import vocabulary
from radsweep.data.phantom.difficulty import Difficulty
from radsweep.data.phantom.findings import DEVICES, FINDINGS, SIDED, SIDES, PhantomFinding, omission

PLURAL = ("tions", "mas", "specks", "foci", "deposits", "scars", "spots", "residues", "dots", "markings")
Choice = TypeVar("Choice")
Slots = frozenset[tuple[str, str]]


class Mention(NamedTuple):
    """A finding as mentioned in a report; `zone` and `severity` are empty if they are not mentioned."""

    kind: str
    side: str
    zone: str
    severity: str


class Report(NamedTuple):
    """Text of a report, the findings it mentions, and the (kind, side) slots that it describes as free."""

    text: str
    mentions: tuple[Mention, ...]
    denied: frozenset[tuple[str, str]]


def compose_report(dice: random.Random, findings: Sequence[PhantomFinding], difficulty: Difficulty) -> Report:
    """Write the report of a study. It only uses `dice.random()`, whose sequence Python guarantees for a seed."""
    everything = slots_of((*FINDINGS, *DEVICES))
    if not findings and dice.random() < difficulty.stock:
        return Report(_pick(dice, vocabulary.STOCK), (), everything - slots_of(DEVICES))
    mentions: list[Mention] = []
    body: list[str] = []
    impression: list[str] = []
    for finding in findings:
        if dice.random() >= omission(finding.kind, difficulty):
            mention, sentence, restated = _tell(dice, finding, difficulty)
            mentions.append(mention)
            body.append(sentence)
            impression += restated
    free = everything - {(finding.kind, finding.side) for finding in findings}
    denied = _tell_normal(dice, free, difficulty, body)
    if dice.random() < difficulty.remark:
        body.append(_pick(dice, vocabulary.REMARKS))
    if not body:
        body.append(_pick(dice, vocabulary.REMARKS))
    if not findings:
        impression.append(_pick(dice, vocabulary.NORMAL_IMPRESSION))
        denied |= everything - slots_of(DEVICES)
    elif not impression:
        impression.append(_pick(dice, vocabulary.OPEN_IMPRESSION))
    text = f"FINDINGS: {_sentences(dice, body)} IMPRESSION: {_sentences(dice, impression)}"
    return Report(text, tuple(mentions), denied)


def slots_of(kinds: Sequence[str], side: str | None = None) -> Slots:
    """Return the (kind, side) slots of `kinds`, only on one side if `side` is given."""
    sides = SIDES if side is None else (side,)
    return frozenset((kind, place) for kind in kinds for place in (sides if kind in SIDED else ("",)))


def _tell(dice: random.Random, finding: PhantomFinding, difficulty: Difficulty) -> tuple[Mention, str, list[str]]:
    """Return the mention of a finding, its sentence, and the sentences that repeat it."""
    nouns = _nouns(finding.kind, difficulty)
    noun = _pick(dice, nouns)
    if finding.kind in DEVICES:
        sentence = _fill(_pick(dice, vocabulary.WORN), _phrase(noun, []))
        return Mention(finding.kind, finding.side, "", ""), sentence, []
    zone = finding.zone if dice.random() < difficulty.place else ""
    graded = dice.random() < difficulty.grade
    words = [_pick(dice, vocabulary.SEVERITY[finding.severity])] if graded else []
    if dice.random() < difficulty.describe:
        words.append(_pick(dice, vocabulary.DESCRIPTORS[finding.kind]))
    phrase = _phrase(noun, words)
    if graded and finding.kind in vocabulary.SIZED and dice.random() < 0.4:
        phrase += f" of {_pick(dice, vocabulary.MILLIMETRES[finding.severity])} mm"
    sentence = _fill(_pick(dice, vocabulary.TOLD), phrase, _place(dice, finding.side, zone))
    restated = []
    if dice.random() < difficulty.restate:
        other = _pick(dice, [word for word in nouns if word != noun] or nouns)
        words = [_pick(dice, vocabulary.SEVERITY[finding.severity])] if graded and dice.random() < 0.5 else []
        place = _place(dice, finding.side, zone if dice.random() < 0.5 else "")
        restated.append(_fill(_pick(dice, vocabulary.RESTATED), _phrase(other, words), place))
    mention = Mention(finding.kind, finding.side, zone, finding.severity if graded else "")
    return mention, sentence, restated


def _nouns(kind: str, difficulty: Difficulty) -> tuple[str, ...]:
    return vocabulary.NOUNS[kind][: difficulty.nouns]


def _tell_normal(dice: random.Random, free: Slots, difficulty: Difficulty, body: list[str]) -> Slots:
    """Add negations and normal sentences that are true if the slots in `free` are empty; return the slots they deny."""
    denied: Slots = frozenset()
    for _ in range(int(dice.random() * 2.3)):
        one, other = _pick(dice, FINDINGS), _pick(dice, FINDINGS)
        pattern = _pick(dice, vocabulary.DENIED)
        absent = (one, other) if "{other}" in pattern else (one,)
        if slots_of(absent) <= free and len(set(absent)) == len(absent):
            first, second = (_bare(_pick(dice, _nouns(kind, difficulty))) for kind in (one, other))
            body.append(pattern.format(one=first, other=second))
            denied |= slots_of(absent)
    for _ in range(int(dice.random() * 2.3)):
        sentence, kinds = _pick(dice, vocabulary.NORMAL)
        side = _pick(dice, SIDES) if "{side}" in sentence else None
        slots = slots_of(kinds, side)
        if slots <= free and not slots <= denied:
            body.append(sentence.format(side=side))
            denied |= slots
    return denied


def _place(dice: random.Random, side: str, zone: str) -> str:
    if not side:
        return ""
    if not zone:
        return _pick(dice, vocabulary.SIDE).format(side=side)
    return _pick(dice, vocabulary.ZONED_SIDE).format(side=side, zone=_pick(dice, vocabulary.ZONE[zone]))


def _phrase(noun: str, words: list[str]) -> str:
    phrase = " ".join([*words, _bare(noun)])
    if not noun.startswith("a "):
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _fill(pattern: str, finding: str, place: str = "") -> str:
    plural = finding.endswith(PLURAL)
    return pattern.format(finding=finding, place=place, be="are" if plural else "is", have="have" if plural else "has")


def _bare(noun: str) -> str:
    return noun.removeprefix("a ")


def _sentences(dice: random.Random, sentences: list[str]) -> str:
    """Join sentences in a random order, each with a capital and a full stop."""
    keyed = sorted((dice.random(), sentence) for sentence in sentences)
    clean = [" ".join(sentence.split()) for _, sentence in keyed]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in clean)


def _pick(dice: random.Random, choices: Sequence[Choice]) -> Choice:
    return choices[int(dice.random() * len(choices))]
