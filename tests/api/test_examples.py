"""Every public name has a docstring with an example, and the examples run and print what they show."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import radsweep as rs

NEEDS_RAY = ("run",)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF


def examples(name: str) -> list[doctest.DocTest]:
    """Examples of a public name and of the methods of a class."""
    found = doctest.DocTestFinder().find(getattr(rs, name), f"rs.{name}", module=False, globs={})
    return [test for test in found if test.examples]


def run_example(test: doctest.DocTest) -> None:
    told: list[str] = []
    assert not doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append).failed, "".join(told)


def public(name: str) -> Iterator[tuple[str, Any]]:
    """A public name, and the methods and properties that its class defines."""
    thing = getattr(rs, name)
    yield f"rs.{name}", thing
    if inspect.isclass(thing) and thing.__module__ != "radsweep.errors":
        own = {key: value for key, value in vars(thing).items() if not key.startswith("_")}
        yield from ((f"rs.{name}.{key}", value) for key, value in own.items() if is_code(value))


def is_code(value: Any) -> bool:
    own = inspect.isfunction(value) and value.__module__.startswith("radsweep.")  # pydantic adds some
    return own or isinstance(value, property)


@pytest.mark.parametrize("name", [name for name in rs.__all__ if name not in NEEDS_RAY])
def test_the_examples_of_a_docstring_run(name: str, here: Path) -> None:
    for test in examples(name):
        run_example(test)


@pytest.mark.parametrize("name", rs.__all__)
def test_each_public_name_is_documented_and_each_callable_has_an_example(name: str) -> None:
    with_example = {test.name for test in examples(name)}
    assert name == "InputError" or f"rs.{name}" in with_example
    for where, value in public(name):
        text = inspect.getdoc(value) or ""
        assert text, where
        if inspect.isfunction(value):
            assert where in with_example, where
            parameters = [key for key in inspect.signature(value).parameters if key != "self"]
            missing = [key for key in parameters if f"\n    {key}: " not in f"\n{text}"]
            assert missing == [], where
