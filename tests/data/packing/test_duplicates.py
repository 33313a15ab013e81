"""People listed under several ids are found by the pictures they share."""

from __future__ import annotations

from radsweep.data.packing.duplicates import PLACEHOLDER_PATIENTS, merged_ids, placeholders, same_person


def test_shared_pictures_join_ids_in_chains_in_any_order() -> None:
    shown = [("c", "x"), ("a", "x"), ("b", "y"), ("a", "y"), ("d", "z"), ("e", "w"), ("e", "w")]
    people = same_person(shown)
    assert people == {"c": "c", "a": "c", "b": "c", "d": "d", "e": "e"}
    assert merged_ids(people) == [("c", "a", "b")]


def test_a_picture_of_many_patients_is_a_placeholder() -> None:
    many = [(f"p{i}", "logo") for i in range(PLACEHOLDER_PATIENTS + 1)]
    few = [(f"q{i}", "shared") for i in range(PLACEHOLDER_PATIENTS)]
    assert placeholders(many + few) == {"logo"}
