"""Labels of a study's images, merged into those of the study."""

from __future__ import annotations

from radsweep.data.packing.labels import UNCERTAIN, merge_labels


def test_a_study_has_a_finding_if_any_of_its_images_has_it() -> None:
    rows = [{"a": 0.0, "b": None, "c": None}, {"a": 1.0, "b": 0.0, "c": None}]
    assert merge_labels(rows) == {"a": 1.0, "b": 0.0, "c": None}


def test_an_uncertain_image_leaves_its_study_unknown_unless_another_has_the_finding() -> None:
    states = [UNCERTAIN, 0.0, None]
    assert merge_labels([{"a": state} for state in states]) == {"a": None}
    assert merge_labels([{"a": state} for state in reversed(states)]) == {"a": None}
    assert merge_labels([{"a": state} for state in (UNCERTAIN, 1.0)]) == {"a": 1.0}
