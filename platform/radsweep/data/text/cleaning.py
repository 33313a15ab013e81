"""Remove the remnants of web pages, spreadsheets and databases from a report: tags, entities, escapes, NUL bytes."""

from __future__ import annotations

import html
import re
from html.entities import html5

_REMNANT = re.compile(r"[<&\0\ufeff\x01-\x08\x0e-\x1f\x7f]|_x00")  # texts without one are returned as they are
_ESCAPED_BREAK = re.compile(r"_x000[dD]_\n?|_x000[aA]_")  # as Excel writes line breaks
_ESCAPED_CONTROL = re.compile(r"_x00[01][0-9a-fA-F]_")
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1f\x7f]")
# Only names of HTML, so that `<5 mm` and de-identification marks such as `<NAME>` stay.
_BLOCKS = "p|br|div|tr|table|tbody|thead|ul|ol|li|h[1-6]|hr|pre|html|body|head|title|blockquote|section"
_INLINE = "b|i|u|s|em|strong|span|font|a|sup|sub|td|th|center|small|big|tt|code"
_ATTRIBUTES = r"""(?:\s++[\w:-]++\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>]++))*+\s*+/?"""
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCKS}){_ATTRIBUTES}>", re.IGNORECASE)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE}){_ATTRIBUTES}>", re.IGNORECASE)
_COMMENT = re.compile(r"<!--(?:(?!-->)[^<>])*+-->")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def clean(text: str) -> str:
    """Return a report without HTML tags and entities, Excel's `_x000D_`, NUL bytes and byte order marks.

    A tag of a block becomes a line break, an entity the character that it stands for. Text without any is unchanged.

    Example:
        >>> clean("<p>Heart &lt; 15&nbsp;cm.</p>")
        'Heart < 15 cm.'
    """
    if not _REMNANT.search(text):
        return text
    cleaned = text.replace("\0", "").replace("\ufeff", "")
    cleaned = _CONTROL.sub(" ", _ESCAPED_CONTROL.sub(" ", _ESCAPED_BREAK.sub("\n", cleaned)))
    for _ in range(3):  # a tag or an entity may have been escaped itself: `&lt;p&gt;`, `&amp;nbsp;`
        cleaned = _ENTITY.sub(_character, _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n", _COMMENT.sub("", cleaned))))
    return text if cleaned == text else cleaned.strip()


def _character(entity: re.Match[str]) -> str:
    name = entity.group()[1:]
    if name[0] != "#" and name not in html5:  # html.unescape makes ¬x; of &notx;
        return entity.group()
    return html.unescape(entity.group()).replace("\xa0", " ").replace("\0", "")
