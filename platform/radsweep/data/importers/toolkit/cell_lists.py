"""Lists within a cell: `a|b`, `a;b`, `['a', 'b']` of Python, `["a"]` of JSON, `['a' 'b']` of NumPy."""

from __future__ import annotations

import ast
import re

from radsweep.data.packing.missing import is_null

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\"""", re.DOTALL)
_BETWEEN = re.compile(r"[|,;\n]")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}


def is_list(cell: str) -> bool:
    """Return True for a cell in brackets that has the form of a list, set or tuple."""
    return len(cell) > 1 and _BRACKETS.get(cell[0]) == cell[-1] and (cell[0] == "[" or bool(_QUOTED.search(cell)))


def items(cell: str, between: re.Pattern[str] = _BETWEEN) -> list[str]:
    """Return the stripped items of a cell, without those that are empty, null or repeats.

    Args:
        between: what separates items that are not quoted.

    Raises:
        ValueError: the cell is a list whose quotes do not match.

    Example:
        >>> items("['cardiomegaly', 'pleural effusion']"), items("Effusion|Nodule")
        (['cardiomegaly', 'pleural effusion'], ['Effusion', 'Nodule'])
    """
    found = _in_brackets(cell) if is_list(cell) else between.split(cell)
    return list(dict.fromkeys(name for item in found if not is_null(name := item.strip())))


def _in_brackets(cell: str) -> list[str]:
    inside = cell[1:-1]
    quoted = _QUOTED.findall(inside)
    if not quoted:
        return _BETWEEN.split(inside.strip("[](){}"))
    outside = _QUOTED.sub("", inside)
    if {"'", '"'} & set(outside):
        raise ValueError("the quotes of the list do not match")
    others = re.split(r"[\s,;|\[\](){}]+", outside)
    if any(word and not is_null(word) for word in others):
        raise ValueError("the list has more than names in quotes")
    return [_unquoted(item) for item in quoted]


def _unquoted(item: str) -> str:
    try:
        return str(ast.literal_eval(item))
    except (ValueError, SyntaxError):
        return item[1:-1]
