"""Reports, read here only by their words, without the generator's record of their mentions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest

from radsweep.data.phantom import DIFFICULTIES, PhantomStudy, generate
from radsweep.data.phantom.findings import DEVICES, FINDINGS, SIDED
from radsweep.data.phantom.vocabulary import NOUNS, REMARKS, SEVERITY, STOCK, ZONE

NEGATION = re.compile(r"^(no|there is no|without|negative for)\b", re.IGNORECASE)
NORMAL = {  # a normal sentence's pattern -> kinds that it rules out
    r"normal heart|heart is normal|heart size is within|cardiac contour is unrem": ("cardiomegaly",),
    r"mediastinal contours are normal|mediastinum is not enlarged": ("mediastinum",),
    r"cardiomediastinal contours are preserved": ("cardiomegaly", "mediastinum"),
    r"costophrenic angles are sharp": ("effusion",),
    r"pleural spaces are free|pleura is unremarkable": ("effusion", "pneumothorax"),
    r"the lungs are clear|both lungs are well aerated": SIDED,
    r"normal heart, lungs and mediastinum|normal chest|normal study|no active disease|no acute": FINDINGS,
    r"no lines or support": DEVICES,
}
NORMAL_SIDE = {
    r"the (left|right) lung is clear": SIDED,
    r"the (left|right) lung is fully expanded": ("pneumothorax", "atelectasis"),
    r"the (left|right) diaphragm is well defined": ("effusion",),
}


PATTERNS = {
    kind: re.compile(r"\b(" + "|".join(re.escape(noun.removeprefix("a ")) for noun in nouns) + r")\b")
    for kind, nouns in NOUNS.items()
}


@cache
def reading(sentence: str) -> frozenset[str]:
    """Return the kinds whose nouns occur in a sentence."""
    text = sentence.lower()
    return frozenset(kind for kind, pattern in PATTERNS.items() if pattern.search(text))


def sentences(report: str) -> list[str]:
    body = report.replace("FINDINGS:", "").replace("IMPRESSION:", "")
    return [part.strip() for part in body.split(".") if part.strip()]


@pytest.fixture(scope="module")
def studies() -> list[PhantomStudy]:
    return list(generate("standard", pairs=0, seed=1, validation=0, test=0, unpaired_images=0, unpaired_reports=3000))


def test_no_noun_belongs_to_two_kinds_and_no_remark_names_a_finding() -> None:
    for kind, nouns in NOUNS.items():
        assert all(reading(noun) == {kind} for noun in nouns), kind
    assert not any(reading(remark) for remark in REMARKS)


def test_reports_have_both_sections_and_whole_sentences(studies: list[PhantomStudy]) -> None:
    for study in studies:
        assert study.report is not None
        assert re.fullmatch(r"FINDINGS: ([A-Z][^.{}]+\. )+IMPRESSION: ([A-Z][^.{}]+\. ?)+(?<=\.)", study.report)
        assert "  " not in study.report


def test_reports_mention_true_findings_and_nothing_else(studies: list[PhantomStudy]) -> None:
    left_out = mentioned = 0
    for study in studies:
        assert study.report is not None
        positive: set[str] = set()
        for sentence in sentences(study.report):
            if not NEGATION.match(sentence):
                positive |= reading(sentence)
        kinds = {finding.kind for finding in study.findings}
        assert positive <= kinds
        assert study.written is not None
        assert positive == {mention.kind for mention in study.written.mentions}
        mentioned += len(kinds - set(DEVICES))
        left_out += len(kinds - positive - set(DEVICES))
    assert left_out / mentioned == pytest.approx(DIFFICULTIES["standard"].omit, abs=0.02)


def test_mentioned_sides_zones_and_severities_are_the_true_ones(studies: list[PhantomStudy]) -> None:
    checked = Counter()
    for study in studies:
        assert study.report is not None
        by_kind = defaultdict(list)
        for finding in study.findings:
            by_kind[finding.kind].append(finding)
        for sentence in sentences(study.report):
            kinds = reading(sentence)
            if NEGATION.match(sentence) or len(kinds) != 1 or len(by_kind[min(kinds)]) != 1:
                continue
            (kind,) = kinds
            finding = by_kind[kind][0]
            text = sentence.lower()
            for side in re.findall(r"\b(?:in|on|within|over|at|involving) the (left|right)\b", text):
                assert side == finding.side
                checked["side"] += 1
            for zone, words in ZONE.items():
                if finding.zone and any(re.search(rf"(left|right|in the) {word}\b", text) for word in words):
                    assert zone == finding.zone
                    checked["zone"] += 1
            for severity, words in SEVERITY.items():
                if finding.severity and any(
                    re.match(rf"(an? |there (is|are) an? |we see an? )?{w}\b", text) for w in words
                ):
                    assert severity == finding.severity
                    checked["severity"] += 1
    assert min(checked.values()) > 500, checked
    assert len(checked) == 3


def test_negations_and_normal_sentences_never_contradict_the_truth(studies: list[PhantomStudy]) -> None:
    negated = Counter[str]()
    for study in studies:
        assert study.report is not None
        present = {finding.kind for finding in study.findings}
        on_side = {(finding.kind, finding.side) for finding in study.findings}
        for sentence in sentences(study.report):
            if NEGATION.match(sentence):
                assert not reading(sentence) & present, sentence
                negated["negation"] += bool(reading(sentence))
            for pattern, absent in NORMAL.items():
                if re.search(pattern, sentence, re.IGNORECASE):
                    assert not present & set(absent), sentence
                    negated[pattern] += 1
            for pattern, absent in NORMAL_SIDE.items():
                if found := re.search(pattern, sentence, re.IGNORECASE):
                    assert not on_side & {(kind, found[1]) for kind in absent}, sentence
                    negated[pattern] += 1
    assert set(negated) == {"negation", *NORMAL, *NORMAL_SIDE}


def test_denied_slots_are_free(studies: list[PhantomStudy]) -> None:
    for study in studies:
        assert study.written is not None
        assert not study.written.denied & {(finding.kind, finding.side) for finding in study.findings}


def test_some_normal_reports_are_equal_word_for_word_and_others_are_rare(studies: list[PhantomStudy]) -> None:
    counts = Counter(study.report for study in studies)
    stock = sum(counts[report] for report in STOCK)
    assert 0.02 < stock / len(studies) < 0.08
    assert all(number < 8 for report, number in counts.items() if report not in STOCK)
    assert all(not study.findings for study in studies if study.report in STOCK)


def test_length_vocabulary_and_order_vary(studies: list[PhantomStudy]) -> None:
    words = [study.report.split() for study in studies if study.report]
    lengths = [len(report) for report in words]
    assert 30 < np.mean(lengths) < 42
    assert np.std(lengths) > 8
    assert 350 < len({word.strip(".,:").lower() for report in words for word in report}) < 700
    assert len({study.report for study in studies if len(study.findings) > 1}) > 1900


def test_only_on_standard_impressions_restate_findings_in_other_words() -> None:
    for name, restated, same in (("standard", DIFFICULTIES["standard"].restate, 0), ("plain", 0, 0)):
        again = mentioned = 0
        for study in generate(name, pairs=0, seed=2, validation=0, test=0, unpaired_images=0, unpaired_reports=600):
            assert study.report is not None
            assert study.written is not None
            body, impression = study.report.split("IMPRESSION:")
            positive = [s for s in sentences(impression) if not NEGATION.match(s)]
            mentions = [mention for mention in study.written.mentions if mention.kind in FINDINGS]
            mentioned += len(mentions)
            again += sum(bool(reading(sentence)) for sentence in positive)
            for sentence in positive:
                for kind in reading(sentence):
                    if sum(mention.kind == kind for mention in mentions) == 1:
                        nouns = [n.removeprefix("a ") for n in NOUNS[kind] if n.removeprefix("a ") in sentence.lower()]
                        longest = max(nouns, key=len)
                        same += any(longest == found for found in _nouns_mentioned(body, kind))
        assert again / mentioned == pytest.approx(restated, abs=0.05)
        assert same == 0


def _nouns_mentioned(body: str, kind: str) -> list[str]:
    mentioned = []
    for sentence in sentences(body):
        if not NEGATION.match(sentence):
            nouns = [n.removeprefix("a ") for n in NOUNS[kind] if n.removeprefix("a ") in sentence.lower()]
            mentioned += [max(nouns, key=len)] if nouns else []
    return mentioned


def test_only_on_standard_adjectives_of_a_kind_are_used() -> None:
    for name, present in (("standard", True), ("plain", False)):
        made = generate(name, pairs=0, seed=2, validation=0, test=0, unpaired_images=0, unpaired_reports=400)
        text = " ".join(study.report or "" for study in made).lower()
        assert ("spiculated" in text) == present
        assert ("honeycombing" in text) == present
