"""An inspection counts the contents of a data set and quotes nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from radsweep.data.inspection.inspection import inspect_dataset
from radsweep.data.inspection.table import inspection_tables
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import Image, Study
from radsweep.errors import InputError


@pytest.fixture
def packed(tmp_path: Path, make_png: Callable[..., bytes]) -> Path:
    def study(
        name: str, patient: str, split: str, report: str | None, sides: tuple[int, ...], **labels: object
    ) -> Study:
        images = tuple(Image(f"{name}{side}", make_png(side, side), "PA" if side > 20 else "") for side in sides)
        return Study(name, patient, split, report, images, labels)  # type: ignore[arg-type]

    studies = [
        study("s1", "p1", "train", "Secretword in the lung.", (16, 32), nodule=1.0),
        study("s2", "p1", "train", "secretword  in the lung.", (24,), nodule=0.0),
        study("s3", "p2", "test", "Secretword in the lung.", (64,), nodule=None),
        study("s4", "p3", "validation", "Clear.", (16,)),
        study("s5", "p4", "train", None, (16,)),
        study("s6", "p5", "train", "One two three.", ()),
        study("s7", "p5", "train", "One two three.", ()),
    ]
    write_dataset(
        tmp_path / "out", studies, name="mine", source={"importer": "test"}, dropped={"no report": 3}, notes=["a note"]
    )
    return tmp_path / "out"


def test_counts_lengths_sizes_and_repeats(packed: Path) -> None:
    found = inspect_dataset(packed)
    assert found.studies["pairs"] == {"train": 2, "validation": 1, "test": 1}
    assert found.patients["reports"]["train"] == 1
    assert found.longest_side is not None
    assert (found.longest_side.smallest, found.longest_side.median, found.longest_side.largest) == (16, 20, 64)
    assert found.views == {"not given": 3, "PA": 3}
    assert found.formats == {"PNG": 6}
    assert found.report_words["pairs"].model_dump() == {"smallest": 1, "median": 4, "largest": 4}
    assert found.repeats.model_dump() == {"reports": 1, "studies": 3, "same_patient": 2, "across_splits": 1}
    assert found.labels["nodule"]["train"].model_dump() == {"positive": 1, "negative": 1, "unknown": 3}
    assert found.labels["nodule"]["test"].model_dump() == {"positive": 0, "negative": 0, "unknown": 1}
    assert found.dropped == {"no report": 3}


def test_neither_the_tables_nor_the_json_quote_a_report_or_a_source_id(packed: Path) -> None:
    inspection = inspect_dataset(packed)
    file = io.StringIO()
    Console(file=file, width=120).print(inspection_tables(inspection))
    shown = file.getvalue()
    for text in (shown, inspection.model_dump_json()):
        assert "secretword" not in text.lower()
        assert "p1" not in text
    for part in ("2 / 1 / 3", "a note", "no report: 3", "2 pairs share theirs", "1 of 2 (3)"):
        assert part in shown


def test_a_shard_that_cannot_be_read_is_named(packed: Path) -> None:
    path = packed / "pairs" / "train-00000.parquet"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(InputError, match=r"train-00000.parquet: the shard cannot be read"):
        inspect_dataset(packed)


def test_row_8_reports_that_a_tower_would_cut_are_counted(tmp_path: Path, make_png: Callable[..., bytes]) -> None:
    findings, impression = "the lungs are clear and the heart is normal", "no change"
    texts = [f"{findings}\n\n{impression}", findings, f"lungs\n\n{impression}"]
    studies = [
        Study(f"s{number}", f"p{number}", split, texts[number % 3], (Image(f"i{number}", make_png(number), ""),))
        for number, split in enumerate(("train",) * 15 + ("validation",) * 3 + ("test",) * 3)
    ]
    write_dataset(tmp_path / "out", studies, name="mine", source={"sections": "findings+impression"}, dropped={})
    found = inspect_dataset(tmp_path / "out", lengths=(8, 12, 64))
    assert [cuts.model_dump() for cuts in found.cut_reports] == [
        {"max_tokens": 8, "reports": 21, "cut": 14, "impressions": 14, "lost": 7},  # 6 of a report's own tokens
        {"max_tokens": 12, "reports": 21, "cut": 7, "impressions": 14, "lost": 0},
        {"max_tokens": 64, "reports": 21, "cut": 0, "impressions": 14, "lost": 0},
    ]
    file = io.StringIO()
    Console(file=file, width=120).print(inspection_tables(found))
    assert "14 of 21 reports; 7 lose their whole impression" in file.getvalue()
    assert "cut at 64 tokens" not in file.getvalue()
