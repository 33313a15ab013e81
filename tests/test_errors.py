"""An error in the input names the file and the key once, wherever it is found."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import ray.exceptions

from radsweep.errors import InputError, InputErrors, explaining, joined


def raised(error: InputError, file: str | Path = "", key: str = "") -> InputError:
    """The error, after it has passed through `explaining`."""
    with pytest.raises(InputError) as caught, explaining(file, key=key):
        raise error
    return caught.value


def test_a_message_is_the_file_the_key_and_what_to_do() -> None:
    error = InputError("expected 2 or more; raise it", key="data.pairs", file="mine.yaml")
    assert str(error) == "mine.yaml: data.pairs: expected 2 or more; raise it"
    assert (error.message, error.key, error.file) == ("expected 2 or more; raise it", "data.pairs", "mine.yaml")
    assert str(InputError("cannot be read", file="mine.yaml")) == "mine.yaml: cannot be read"
    assert str(InputError("port 5000 is taken")) == "port 5000 is taken"


def test_the_file_is_added_at_the_border_to_errors_that_name_a_key() -> None:
    assert str(raised(InputError("wrong", key="data.pairs"), Path("mine.yaml"))) == "mine.yaml: data.pairs: wrong"
    assert str(raised(InputError("no Ray here"), "mine.yaml")) == "no Ray here", "it is not about the file"


def test_the_file_and_key_of_an_error_are_not_replaced() -> None:
    own = InputError("wrong", key="model.dim", file="inner.yaml")
    assert str(raised(own, "outer.yaml", key="evaluate")) == "inner.yaml: model.dim: wrong"
    assert str(raised(InputError("no labels"), "outer.yaml", key="evaluate")) == "outer.yaml: evaluate: no labels"


def test_nested_borders_each_add_what_is_missing() -> None:
    with pytest.raises(InputError) as caught, explaining("mine.yaml"), explaining(key="data.shards"):
        raise InputError("no such folder")
    assert (caught.value.file, caught.value.key) == ("mine.yaml", "data.shards")


def test_other_errors_pass_a_border_unchanged() -> None:
    with pytest.raises(OSError, match=r"^disk full$"), explaining("mine.yaml", key="run.store"):
        raise OSError("disk full")


def test_several_errors_are_one_whose_lines_each_have_their_file_and_key() -> None:
    both = joined([InputError("wrong", key="model.dim"), InputError("cut", key="model.text"), InputError("no Ray")])
    found = raised(both, "mine.yaml")
    assert isinstance(found, InputErrors)
    assert str(found).splitlines() == ["mine.yaml: model.dim: wrong", "mine.yaml: model.text: cut", "no Ray"]
    assert [error.key for error in found.errors] == ["model.dim", "model.text", ""]


def test_one_error_joined_is_itself_and_equal_ones_count_once() -> None:
    one = InputError("wrong", key="model.dim")
    assert joined([one]) is one
    again = joined([one, InputError("wrong", key="model.dim")])
    assert again.errors == (again,)
    assert str(again) == "model.dim: wrong"


@pytest.mark.parametrize(
    "error",
    [
        InputError("wrong", key="model.dim", file="mine.yaml"),
        joined([InputError("wrong", key="model.dim"), InputError("cut", key="model.text", file="mine.yaml")]),
    ],
    ids=["one", "several"],
)
def test_an_error_keeps_its_key_when_it_is_sent_to_another_process(error: InputError) -> None:
    for sent in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(sent) is type(error)
        assert str(sent) == str(error)
        assert [(each.key, each.file) for each in sent.errors] == [(each.key, each.file) for each in error.errors]
    of_a_task = ray.exceptions.RayTaskError("task", "traceback", error).as_instanceof_cause()
    assert isinstance(of_a_task, InputError)
    assert [each.key for each in of_a_task.errors] == [each.key for each in error.errors]
