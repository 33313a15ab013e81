"""Views by the words that data sets use for them, and labels that may be uncertain."""

from __future__ import annotations

import pytest

from radsweep.data.importers.toolkit.views_and_labels import FlagReader, keep_views
from radsweep.data.packing.labels import UNCERTAIN
from radsweep.data.packing.rows import SourceRow
from radsweep.data.shards.views import plane
from radsweep.errors import InputError


@pytest.mark.parametrize(
    ("view", "expected"),
    [("PA", "frontal"), ("AP AXIAL", "frontal"), ("AP LLD", "frontal"), ("postero-anterior", "frontal"),
     ("antero-posterior", "frontal"), ("Frontal", "frontal"), ("LATERAL", "lateral"), ("LL", "lateral"),
     ("left lateral", "lateral"), ("XTABLE LATERAL", "lateral"), ("Lateral", "lateral"), ("LAO", ""), ("SWIMMERS", ""),
     ("left anterior oblique", ""), ("", "")],
)  # fmt: skip
def test_words_for_views(view: str, expected: str) -> None:
    assert plane(view) == expected


def test_views_that_no_image_has_are_refused() -> None:
    rows = [SourceRow(1, "a", view="PA"), SourceRow(2, "b")]
    assert [row.number for row in keep_views(rows, "all")[0]] == [1, 2]
    assert [row.number for row in keep_views(rows, "frontal")[0]] == [1]
    with pytest.raises(InputError, match="no image is lateral"):
        keep_views(rows, "lateral")


def test_flags_keep_their_states_apart() -> None:
    reader = FlagReader(("Edema",), "unknown")
    cells = ["1.0", "0.0", "-1.0", "", "nan", "-1"]
    assert [reader.read({"Edema": cell}, "here")["Edema"] for cell in cells] == [1, 0, UNCERTAIN, None, None, UNCERTAIN]
    counted = "labels read: 1 positive, 1 negative, 2 uncertain, 2 not mentioned"
    assert reader.note == f"{counted}; uncertain and not mentioned are unknown"
    with pytest.raises(InputError, match="here: Edema: expected 1, 0, -1 or nothing"):
        reader.read({"Edema": "2"}, "here")
