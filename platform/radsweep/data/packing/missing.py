"""Texts that mean a missing value: one list for ids, splits, labels and reports."""

from __future__ import annotations

# What pandas, R, SQL, JavaScript and Excel write for a missing value or a formula that failed, in lower case.
NULLS = (
    "nan", "-nan", "na", "n/a", "n.a.", "n.a", "#na", "#n/a", "#n/a n/a", "<na>", "nat", "none", "<none>", "null",
    "<null>", "(null)", "#null!", "nil", "\\n", "undefined", "#ref!", "#value!", "#name?", "#div/0!", "#num!",
)  # fmt: skip
WORDS = (
    "unknown", "missing", "empty", "blank", "not available", "not applicable", "not given", "not known", "no data",
    "tbd", "todo", "xxxx", "redacted", "deidentified", "de-identified", "anonymized", "anonymised",
)  # fmt: skip
_NULLS, _WORDS = frozenset(NULLS), frozenset(WORDS)


def is_null(text: str) -> bool:
    """Return True for an empty cell and for what software writes into one (`nan`, `None`, `NULL`, `#N/A`)."""
    return not text or text.strip().casefold() in _NULLS or text.isspace()


def says_missing(text: str) -> bool:
    """Return True for a word by which people say that a value is missing (`unknown`, `not available`)."""
    return text.strip().casefold() in _WORDS


def is_missing(text: str) -> bool:
    """Return True for an id or a split that is not given: null, a word such as `unknown`, or only punctuation.

    Rows with such an id must not become one patient or one study.
    """
    return is_null(text) or says_missing(text) or not any(sign.isalnum() for sign in text)
