"""`radsweep pack csv` on generated folders: each row is a pair or has a reason."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image
from pydantic import ValidationError
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from radsweep.data.images.codec import decode
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.packing.pack import Packed, describe
from radsweep.errors import InputError

Tree = Callable[..., Path]
BASIC = {"image": "images/{image}", "report": "notes", "patient": "patient"}


def row(image: str, patient: str, notes: str = "Clear lungs.", **more: object) -> dict[str, object]:
    return {"image": image, "patient": patient, "notes": notes, **more}


def pack(root: Path, **settings: object) -> Packed:
    return pack_source("csv", CsvSettings(**{**BASIC, **settings}), root, root.parent / "out")  # type: ignore[arg-type]


def stored(root: Path, packed: Packed) -> list[dict]:
    shards = packed.manifest.shards
    return [study for shard in shards for study in pq.read_table(root.parent / "out" / shard.path).to_pylist()]


def test_each_faulty_row_is_dropped_with_its_reason(tree: Tree, make_png: Callable[..., bytes]) -> None:
    blank = BytesIO()
    Image.new("L", (9, 9), 7).save(blank, "PNG")
    rows = [
        row("1.png", "a"),
        row("2.png", "b", ""),
        row("3.png", "b", "  \t"),
        row("4.png", "c", "N/A"),
        row("5.png", "c", "(none)."),
        row("6.png", "c", "nan"),
        row("7.png", "c", "- -"),
        row("gone.png", "d"),
        row("", "d"),
        row("half.png", "e"),
        row("text.png", "e"),
        row("blank.png", "e"),
        row("1.png", "a", " clear  LUNGS."),
        row("../metadata.csv", "f"),
        row("8.png", ""),
        row("9.png", "g", "Effusion."),
    ]
    images: dict[str, bytes | int] = {f"{i}.png": i for i in range(1, 10)}
    images |= {"half.png": make_png(50)[:200], "text.png": b"hello", "blank.png": blank.getvalue()}
    root = tree(rows, images)
    packed = pack(root)
    assert packed.manifest.dropped == {
        "no report": 2,
        "report is a placeholder": 4,
        "image file not found": 2,
        "image is cut off": 1,
        "file is neither PNG, JPEG nor DICOM": 1,
        "blank image": 1,
        "duplicate of another row": 1,
        "image path leaves the root folder": 1,
        "no patient id": 1,
    }
    assert (packed.rows, packed.packed) == (16, 2)
    assert sorted(study["report"] for study in stored(root, packed)) == ["Clear lungs.", "Effusion."]
    with (root.parent / "out" / "private" / "dropped.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert listed[0] == {"row": "2", "reason": "no report", "path": "images/2.png"}
    assert len(listed) == 14
    assert "dropped, report is a placeholder: 4 (rows 4, 5, 6, 7)" in describe(packed)


def test_texts_for_a_missing_report_can_be_given(tree: Tree) -> None:
    root = tree([row("1.png", "a", "N/A"), row("2.png", "b", "siehe Akte")], {"1.png": 1, "2.png": 2})
    packed = pack(root, missing=("siehe Akte",))
    assert [study["report"] for study in stored(root, packed)] == ["N/A"]


def test_a_person_with_two_ids_is_reported_by_rows_kept_together_and_repeats_are_dropped(
    tree: Tree, make_png: Callable[..., bytes]
) -> None:
    same_as_rgb = BytesIO()
    Image.open(BytesIO(make_png(1))).convert("RGB").save(same_as_rgb, "PNG")
    rows = [row("1.png", "IDMARK1"), row("1b.png", "IDMARK2"), row("2.png", "IDMARK2", "Effusion.")]
    rows += [row(f"x{i}.png", f"p{i}") for i in range(20)]
    images = {"1.png": make_png(1), "1b.png": same_as_rgb.getvalue(), "2.png": 2}
    root = tree(rows, images | {f"x{i}.png": 100 + i for i in range(20)})
    packed = pack(root)
    assert packed.one_person == ((1, 2),)
    assert packed.manifest.dropped == {"duplicate of another row": 1}
    shown = "\n".join(describe(packed))
    assert "rows 1 and 2 are one person with 2 ids" in shown
    assert "IDMARK" not in shown
    assert "IDMARK1,IDMARK2" in (root.parent / "out" / "private" / "one_person.csv").read_text()
    studies = {study["report"]: study for study in stored(root, packed) if study["report"] != "Clear lungs."}
    first = next(study for study in stored(root, packed) if study["images"][0]["data"] == images["1.png"])
    assert first["patient_id"] == studies["Effusion."]["patient_id"]
    assert first["split"] == studies["Effusion."]["split"]
    for path in (root.parent / "out").rglob("*"):
        if path.is_file() and "private" not in path.parts:
            assert b"IDMARK" not in path.read_bytes()


def test_a_placeholder_picture_of_many_patients_does_not_make_them_one_person(tree: Tree) -> None:
    rows = [row("none.png", f"p{i}", f"Report of {i}.") for i in range(12)] + [row("1.png", "q")]
    packed = pack(tree(rows, {"none.png": 5, "1.png": 1}))
    assert packed.manifest.dropped == {"image belongs to many patients": 12}
    assert packed.one_person == ()


def test_rows_of_a_study_become_one_pair(tree: Tree) -> None:
    rows = [
        row("1.png", "a", "Effusion.", study="s1", view="PA", nodule="0"),
        row("2.png", "a", "", study="s1", view="L", nodule="1"),
        row("1.png", "a", "effusion. ", study="s1", view="PA", nodule="1"),
        row("3.png", "a", "Nothing.", study="s1", view="AP", nodule=""),
        row("4.png", "b", "Effusion.", study="s1", view="AP", nodule="-1"),
        row("5.png", "c", "", study="s9", view="AP", nodule="-1"),
    ]
    root = tree(rows, {f"{i}.png": i for i in range(1, 6)})
    packed = pack(root, study="study", view="view", labels=("nodule",))
    studies = {len(study["images"]): study for study in stored(root, packed)}
    assert len(stored(root, packed)) == 2
    assert [image["view"] for image in studies[2]["images"]] == ["PA", "L"]
    assert dict(studies[2]["labels"]) == {"nodule": 1.0}
    assert dict(studies[1]["labels"]) == {"nodule": None}
    assert packed.manifest.dropped == {
        "duplicate of another row": 1,
        "report differs from the first of its study": 1,
        "no report": 1,
    }


@pytest.mark.parametrize(("uncertain", "edema"), [("unknown", None), ("positive", 1), ("negative", 0)])
def test_an_uncertain_flag_next_to_a_negative_one_follows_the_option(
    tree: Tree, uncertain: str, edema: float | None
) -> None:
    rows = [row("1.png", "a", study="s", edema="-1"), row("2.png", "a", "", study="s", edema="0")]
    rows += [row("3.png", "b", study="t", edema="")]
    root = tree(rows, {"1.png": 1, "2.png": 2, "3.png": 3})
    packed = pack(root, study="study", labels=("edema",), uncertain=uncertain)
    found = {len(study["images"]): dict(study["labels"]) for study in stored(root, packed)}
    assert found == {2: {"edema": edema}, 1: {"edema": None}}
    source = packed.manifest.source
    assert source["uncertain"] == uncertain
    counted = [source[f"labels_{state}"] for state in ("positive", "negative", "uncertain", "not_mentioned")]
    assert counted == [0, 1, 1, 1]
    assert any(note.startswith("labels read: 0 positive, 1 negative, 1 uncertain") for note in packed.manifest.notes)


def test_studies_with_only_images_or_a_report_are_never_pairs(tree: Tree) -> None:
    rows = [row("1.png", "a"), row("2.png", "b", ""), row("gone.png", "c", "Effusion."), row("gone.png", "d", "")]
    root = tree(rows, {"1.png": 1, "2.png": 2})
    packed = pack(root, without_reports=True, without_images=True)
    kinds = {kind: sum(splits.values()) for kind, splits in packed.manifest.studies.items()}
    assert kinds == {"pairs": 1, "images": 1, "reports": 1}
    assert packed.manifest.dropped == {"no report": 1}


def test_a_table_with_only_images_or_only_reports_packs(tree: Tree) -> None:
    root = tree([row("1.png", "a", ""), row("2.png", "b", "Clear.")], {"1.png": 1, "2.png": 2})
    images = pack_source(
        "csv", CsvSettings(image="images/{image}", patient="patient"), root, root.parent / "images_alone"
    )
    assert sum(images.manifest.studies["images"].values()) == images.packed == 2
    reports = pack_source("csv", CsvSettings(report="notes", patient="patient"), root, root.parent / "reports_alone")
    assert sum(reports.manifest.studies["reports"].values()) == reports.packed == 1
    with pytest.raises(InputError, match="name the image column"):
        pack_source("csv", CsvSettings(patient="patient"), root, root.parent / "out")


def test_splits_made_by_seed_keep_patients_apart_and_are_reproducible(tree: Tree, tmp_path: Path) -> None:
    rows = [row(f"{i}.png", f"p{i % 10}", f"Report {i}.") for i in range(30)]
    root = tree(rows, {f"{i}.png": i for i in range(30)})
    key = tmp_path / "key"
    key.write_text("00" * 32)
    packed = pack(root, key_file=key, split_fractions=(0.6, 0.2, 0.2))
    assert packed.manifest.patients["pairs"] == {"train": 6, "validation": 2, "test": 2}
    splits = {(study["patient_id"], study["split"]) for study in stored(root, packed)}
    assert len(splits) == 10
    again = pack_source(
        "csv", CsvSettings(**BASIC, key_file=key, split_fractions=(0.6, 0.2, 0.2)), root, tmp_path / "again"
    )
    assert again.manifest.fingerprint == packed.manifest.fingerprint
    other = pack_source("csv", CsvSettings(**BASIC, key_file=key, seed=1), root, tmp_path / "other")
    assert other.manifest.fingerprint != packed.manifest.fingerprint


def test_given_splits_are_kept_and_one_patient_in_two_is_refused(tree: Tree) -> None:
    rows = [row("1.png", "a", fold="Training"), row("2.png", "b", fold="valid"), row("3.png", "c", fold="")]
    rows += [row("4.png", "SECRET", fold="test"), row("5.png", "SECRET", "Other.", fold="train")]
    root = tree(rows, {f"{i}.png": i for i in range(1, 6)})
    with pytest.raises(InputError, match=r"1 patients into more than one split \(rows 4, 5, ...\)") as raised:
        pack(root, split="fold")
    assert "SECRET" not in str(raised.value)
    text = (root / "metadata.csv").read_text().replace("Other.,train", "Other.,TEST")
    (root / "metadata.csv").write_text(text)
    packed = pack(root, split="fold")
    assert packed.manifest.studies["pairs"] == {"train": 1, "validation": 1, "test": 2}
    assert packed.manifest.dropped == {"no split given": 1}


def test_a_person_in_two_given_splits_is_put_into_the_one_with_most_rows(tree: Tree) -> None:
    rows = [
        row("1.png", "a", "One.", fold="train"),
        row("1.png", "b", "Two.", fold="test"),
        row("2.png", "b", "Three.", fold="test"),
        row("3.png", "c", "Four.", fold="train"),
    ]
    packed = pack(tree(rows, {"1.png": 1, "2.png": 2, "3.png": 3}), split="fold")
    assert packed.manifest.studies["pairs"] == {"train": 1, "validation": 0, "test": 3}
    assert packed.moved == ((1, 2),)
    assert "their given splits differed" in describe(packed)[1]


def test_rows_are_kept_by_value(tree: Tree) -> None:
    rows = [row(f"{i}.png", f"p{i}", f"{i} is clear.", modality=("CT", "X-ray", "MR")[i % 3]) for i in range(15)]
    root = tree(rows, {f"{i}.png": i for i in range(15)})
    packed = pack(root, keep=("modality=X-ray", "modality=CT"))
    assert (packed.rows, packed.packed, packed.manifest.dropped) == (10, 10, {})
    assert "5 rows were left out by --keep modality=X-ray modality=CT" in packed.manifest.notes
    assert packed.manifest.source["keep"] == "modality=X-ray, modality=CT"
    with pytest.raises(InputError, match="no row has modality=US; modality has: CT, X-ray, MR"):
        pack_source("csv", CsvSettings(**BASIC, keep=("modality=US",)), root, root.parent / "other")


@pytest.mark.parametrize("column", ["words", "patient", "number", "long"])
def test_values_that_may_be_a_patients_are_neither_listed_nor_recorded(tree: Tree, column: str) -> None:
    """Words of few rows, frequent ids, ids in a column that was not named as such, a sentence that repeats."""
    rows = [
        row(f"{i}.png", f"MARK{i % 2}", f"{i} is clear.", words="clear" if i > 3 else f"MARK {i}")
        | {"number": f"MARK-{i % 4}", "long": "no acute cardiopulmonary process, MARK"}
        for i in range(12)
    ]
    root = tree(rows, {f"{i}.png": i for i in range(12)})
    with pytest.raises(InputError, match=rf"no row has {column}=x; {column} has \d+ different values") as raised:
        pack(root, keep=(f"{column}=x",))
    assert "MARK" not in str(raised.value)
    packed = pack(root, keep=(f"{column}={rows[0][column]}",))
    assert packed.manifest.source["keep"] == column
    assert "MARK" not in packed.manifest.model_dump_json()


def test_a_wildcard_that_reaches_another_patients_files_is_refused(tree: Tree) -> None:
    root = tree([row("1", "1"), row("10", "10")], {"1.png": 1, "10.png": 10})
    with pytest.raises(InputError, match="gives rows 2 and 1, two patients, the same file"):
        pack(root, image="images/{image}*")
    assert pack(root, image="images/{image}.*").packed == 2


def test_larger_pictures_are_shrunk_to_the_given_size(tree: Tree, make_png: Callable[..., bytes]) -> None:
    root = tree([row("1.png", "a"), row("2.png", "b")], {"1.png": make_png(1, 100), "2.png": make_png(2, 20)})
    packed = pack(root, size=32)
    sides = {Image.open(BytesIO(study["images"][0]["data"])).size for study in stored(root, packed)}
    assert sides == {(32, 32), (20, 20)}


def test_dicom_files_pack_without_a_word_of_their_headers(tree: Tree) -> None:
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientName = "1.2.840.10008.5.1.4.1.1.7", "1.2.3", "MARKED^NAME"
    ds.Rows = ds.Columns = 16
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME1", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ds.PixelData = pixels.tobytes()
    root = tree([row("1.dcm", "a"), row("bad.dcm", "b")], {"bad.dcm": b"DICM"})
    pydicom.dcmwrite(root / "images" / "1.dcm", ds, enforce_file_format=True)
    packed = pack(root)
    assert np.array_equal(decode(stored(root, packed)[0]["images"][0]["data"]), 255 - pixels)
    assert packed.manifest.dropped == {"file is neither PNG, JPEG nor DICOM": 1}
    everything = b"".join(path.read_bytes() for path in (root.parent / "out").rglob("*") if path.is_file())
    assert b"MARKED" not in everything
    assert "MARKED" not in "".join(describe(packed))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"report": "note"}, r"--report: no column note \(did you mean notes\?\)"),
        ({"image": "images/{imge}.*"}, r"--image: no column imge \(did you mean image\?\)"),
        ({"keep": ("modality=CT",)}, "--keep: no column modality"),
        ({"split": "notes"}, "row 1: the split column has a value other than"),
        ({"image": "images/{image}.jpg"}, r"none of 1 rows can be packed \(image file not found: 1\)"),
        ({"patient_pattern": "^x(.*)"}, r"none of 1 rows can be packed \(no patient id: 1\)"),
        ({"table": Path("missing.csv")}, r"missing.csv: the table cannot be read"),
        ({"key_file": Path("missing.key")}, "the key cannot be read"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_written(
    tree: Tree, settings: dict[str, object], message: str
) -> None:
    root = tree([row("1.png", "a", "Private words.")], {"1.png": 1})
    with pytest.raises(InputError, match=message) as raised:
        pack(root, **settings)
    assert "Private" not in str(raised.value)
    assert [path.name for path in root.parent.iterdir()] == ["source"]


def test_bad_settings_are_refused() -> None:
    for bad in ({"patient_pattern": "abc"}, {"patient_pattern": "("}, {"keep": ("CT",)}, {"images": "x"},
                {"split_fractions": (0.5, 0.1, 0.1)}, {"size": 1}):  # fmt: skip
        with pytest.raises(ValidationError):
            CsvSettings(**bad)
