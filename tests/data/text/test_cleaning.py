"""Remnants of web pages, spreadsheets and databases in reports."""

from __future__ import annotations

import time

import pytest

from radsweep.data.text.cleaning import clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<p>Clear.</p><p>Dry.</p>", "Clear.\n\nDry."),
        ("Nodules concerning for<BR>metastases", "Nodules concerning for\nmetastases"),
        ('<div class="a b" id=x>Heart <b>large</b>.</div>', "Heart large."),
        ("A<br />B<!-- note -->", "A\nB"),
        ("5&nbsp;mm &lt; 6 mm &#39;x&#x27; &amp; y", "5 mm < 6 mm 'x' & y"),
        ("&amp;nbsp;Clear", "Clear"),
        ("&lt;b&gt;Clear&lt;/b&gt; &lt; 5 &amp;lt; 6", "Clear < 5 < 6"),
        ("Clear._x000D_\nDry._x000d_Old._x0009_x", "Clear.\nDry.\nOld. x"),
        ("Cl\0ear\ufeff.", "Clear."),
        ("a\x0bb\x1fc", "a\x0bb c"),
        ("&#0;&#55296;", "\ufffd\ufffd"),
    ],
)
def test_remnants_are_removed(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Nodule <5 mm, >3 mm.", "a < b and c > d", "<NAME> was seen on <DATE>", "R&D; A&P", "AT&T;", " two  spaces ",
        "<b and >c", "x_x_y", "_x00", "<unk>", "T1<T2>T3", "&notanentity;",
    ],
)  # fmt: skip
def test_text_without_remnants_is_unchanged(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "unit",
    ["<", "<p ", "<p a=", '<p a="', "<p a='x' ", "&", "&a", "&#1", "_x000D_", "<!--", "<p" + " a=b", "< ", "&amp;"],
)
def test_cleaning_takes_linear_time(unit: str) -> None:
    started = time.perf_counter()
    clean("<" + unit * (60_000 // len(unit)))
    assert time.perf_counter() - started < 1
