from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.augment.words import check_words, load_words
from radsweep.errors import InputError

SMALL = """
protected:
  negation: [no, Pas De]
held:
  normality: [normal]
findings:
  effusion: [Épanchement*, pleural ... fluid]
synonyms:
  - [épanchement, Pleural  fluid]
"""


def written(folder: Path, text: str) -> str:
    (folder / "list.yaml").write_text(text, encoding="utf-8")
    return str(folder / "list.yaml")


def test_the_english_list_protects_what_would_change_a_finding() -> None:
    words = load_words("english")
    for text in (
        "no", "not", "without", "denies", "negative", "absent", "free", "rule out", "resolved",
        "left", "right", "bilateral", "unilateral", "both", "lt", "rt",
        "mild", "moderate", "severe", "minimal", "small", "large",
        "one", "two", "mm", "cm", "possible", "likely", "but", "however", "although", "except",
    ):  # fmt: skip
        assert tuple(text.split()) in words.protected
    assert {("normal",), ("unchanged",), ("acute",)} <= words.held
    assert len(words.synonyms) > 100


def test_a_list_of_ones_own_is_read_as_text(tmp_path: Path) -> None:
    words = load_words(written(tmp_path, SMALL))
    assert words.protected == {("no",), ("pas", "de")}  # `no` is a word here, not false
    assert words.held == {("normal",)}
    assert words.findings.names == {("epanchement*",): "effusion", ("pleural", "...", "fluid"): "effusion"}
    assert words.synonyms == (("épanchement", "Pleural fluid"),)


def test_synonyms_and_held_words_may_be_missing(tmp_path: Path) -> None:
    words = load_words(written(tmp_path, "protected: {negation: [ingen]}\nfindings: {}"))
    assert (words.held, words.synonyms, words.findings.names) == (frozenset(), (), {})


def test_the_hash_follows_what_a_list_says_and_not_how(tmp_path: Path) -> None:
    first = check_words(written(tmp_path, SMALL))
    assert check_words(written(tmp_path, "# mine\n" + SMALL.replace("[no, Pas De]", "[pas de, NO]"))) == first
    assert check_words(written(tmp_path, SMALL.replace("[normal]", "[normal, clear]"))) != first
    assert check_words(written(tmp_path, SMALL.replace("*, pleural", ", pleural"))) != first
    assert check_words("english") not in (first, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protected: [no", "is not valid YAML"),
        ("protected: {a: [no]}\nprotected: {b: [non]}", "key 'protected' is repeated"),
        ("- no", "expected the keys protected, held, findings, synonyms"),
        ("", "expected the keys protected, held, findings, synonyms"),
        ("synonyms: []", "the key `protected` is missing"),
        ("protected: {a: [no]}", "the key `findings` is missing"),
        ("extends: klingon", r"extends: 'klingon' is not a language that ships \(english\)"),
        ("extends: english\nfindings: {a: [x*]}", r"findings.a: 'x\*' is not made of words of two letters or more"),
        ("extends: english\nfindings: {a: [... heart]}", "findings.a: '... heart' is not made of words"),
        ("extends: english\nheld: {a: [left]}", "held: 'left' is protected too"),
        (
            "extends: english\nsynonyms: [[shadowing, effusion shadow]]",
            "'effusion shadow' names the finding pleural effusion, and 'shadowing' does not: list it there too",
        ),
        ("protect: {a: [no]}", "unknown key 'protect'; expected protected, held, findings, synonyms"),
        ("protected: [no, not]", "protected: expected named lists of words"),
        ("protected: {a: no}", "protected.a: expected a list of 1 words or phrases, or more"),
        ("protected: {a: []}", "protected.a: expected a list of 1 words"),
        ("protected: {a: [[no]]}", r"protected.a: \['no'\] is not made of words"),
        ("protected: {a: [t-spine]}", "protected.a: 't-spine' is not made of words of two letters or more"),
        ("protected: {a: ['']}", "protected.a: '' is not made of words"),
        ("protected: {a: [no]}\nfindings: {}\nheld: {b: [No]}", "held: 'no' is protected too"),
        ("protected: {a: [no]}\nsynonyms: {a: [b]}", "synonyms: expected a list of groups"),
        ("protected: {a: [no]}\nsynonyms: [[heart]]", "synonyms, group 1: expected a list of 2 words"),
        (
            "protected: {a: [no]}\nfindings: {}\nsynonyms: [[bone, osseous], [os, Bone]]",
            "synonyms, group 2: 'Bone' is in group 1 already",
        ),
        (
            "protected: {a: [left, rule out]}\nfindings: {}\nsynonyms: [[big left heart, cardiomegaly]]",
            "synonyms, group 1: 'big left heart' holds the protected 'left'",
        ),
    ],
)
def test_a_malformed_list_is_refused_with_the_place(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as error:
        check_words(path)
    assert all(line.startswith(f"augment.text.words: {path}") for line in str(error.value).splitlines())


@pytest.mark.parametrize("words", ["klingon", "no/such/file.yaml", ".", "a\0b"])
def test_what_is_neither_a_language_nor_a_file_is_refused(words: str) -> None:
    with pytest.raises(InputError, match=r"is neither a language that ships \(english\) nor a file that can be read"):
        check_words(words)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_bytes(b"protected: \xff\xfe")
    with pytest.raises(InputError, match="is not valid UTF-8"):
        check_words(str(tmp_path / "list.yaml"))
