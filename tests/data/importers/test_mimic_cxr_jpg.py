"""A tree in the layout of MIMIC-CXR-JPG 2.x, with the faults that its users meet."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.data.importers.toolkit.views_and_labels import CHEXPERT_CLASSES
from radsweep.errors import InputError

Pack = Callable[..., Any]
METADATA = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns",
    "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)  # fmt: skip
# dicom, subject, study, view, view in words, split
IMAGES = [
    ("02aa804e", "10000032", "50414267", "PA", "postero-anterior", "train"),
    ("174413ec", "10000032", "50414267", "LATERAL", "lateral", "train"),
    ("2a2277a9", "10000032", "53189527", "", "antero-posterior", "train"),
    ("e084de3b", "10000764", "57375967", "AP", "antero-posterior", "validate"),
    ("68b5c4b1", "10000898", "50771383", "LL", "left lateral", "test"),
    ("096052b7", "10000935", "50578979", "AP", "antero-posterior", "train"),
    ("8959e402", "10000935", "51178377", "AP", "antero-posterior", "train"),
    ("gone0000", "10000980", "50985099", "PA", "postero-anterior", "train"),
    ("half0000", "10000980", "51967283", "PA", "postero-anterior", "train"),
    ("nosplit0", "10001038", "52000000", "PA", "postero-anterior", ""),
    ("02aa804e", "10000032", "50414267", "PA", "postero-anterior", "train"),
]
REPORTS = {
    "10000032/s50414267": """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old woman with ?pleural effusion

 FINDINGS:

 There is no focal consolidation.

 IMPRESSION:

 No acute
 cardiopulmonary process.
""",
    "10000032/s53189527": " FINDINGS:  Single frontal view.\n\n IMPRESSION:  \n",
    "10000764/s57375967": "  FINAL REPORT\n HISTORY:  ___ with cough.\n \n No pneumonia.\n",
    "10000898/s50771383": " COMPARISON:  Radiograph of ___ is unchanged.\n",
    "10000935/s51178377": "  FINAL REPORT\n INDICATION:  Cough.\n",
    "10000980/s50985099": " IMPRESSION:  Effusion.\n",
    "10000980/s51967283": " IMPRESSION:  Edema.\n",
    "10001038/s52000000": " IMPRESSION:  Clear.\n",
}


@pytest.fixture
def root(tmp_path: Path, table: Callable[..., None], picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "mimic-cxr-jpg"
    files = root / "files"
    for seed, (dicom, subject, study, *_) in enumerate(IMAGES):
        path = files / f"p10/p{subject}/s{study}/{dicom}.jpg"
        if dicom != "gone0000" and not path.exists():
            picture(path, seed)
        if dicom == "half0000":
            path.write_bytes(path.read_bytes()[:150])
    for study, text in REPORTS.items():
        path = files / f"p10/p{study}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    rows = [(d, p, s, "CHEST (PA AND LAT)", view, 16, 16, 21800506, 213014.5, "", words, "Erect")
            for d, p, s, view, words, _ in IMAGES]  # fmt: skip
    table(root / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, rows)
    splits = {(d, s, p, split) for d, p, s, _, _, split in IMAGES if split}
    table(root / "mimic-cxr-2.0.0-split.csv.gz", ("dicom_id", "study_id", "subject_id", "split"), sorted(splits))
    header = ("subject_id", "study_id", *CHEXPERT_CLASSES)
    empty = dict.fromkeys(CHEXPERT_CLASSES, "")
    first = empty | {"Edema": "1.0", "Cardiomegaly": "-1.0", "Fracture": "0.0"}
    labels = [("10000032", "50414267", *first.values()), ("10000764", "57375967", *["nan"] * 14)]
    table(root / "mimic-cxr-2.0.0-chexpert.csv.gz", header, labels)
    negbio = empty | {"Edema": "0.0"}
    table(root / "mimic-cxr-2.0.0-negbio.csv.gz", header, [("10000032", "50414267", *negbio.values())])
    return root


def test_studies_keep_their_official_split_views_and_first_section(
    pack: Pack, root: Path, counted: Callable[..., Any]
) -> None:
    packed = pack("mimic-cxr-jpg", root)
    assert counted(packed.manifest.studies) == {"pairs": (2, 1, 1)}
    both = packed.study("No acute\ncardiopulmonary process.")
    assert [image["view"] for image in both["images"]] == ["PA", "LATERAL"]
    assert packed.study("Single frontal view.")["images"][0]["view"] == "antero-posterior"
    assert packed.study("No pneumonia.")["split"] == "validation"
    assert packed.study("Radiograph of ___ is unchanged.")["split"] == "test"
    source = packed.manifest.source
    assert (source["importer"], source["splits"]) == ("mimic-cxr-jpg", "official")
    assert source["sections"] == "impression, findings, last_paragraph, comparison"
    used = {key: count for key, count in source.items() if key.startswith("reports_from_")}
    assert used == {
        "reports_from_impression": 4,
        "reports_from_findings": 1,
        "reports_from_last_paragraph": 1,
        "reports_from_comparison": 1,
    }


def test_each_dropped_row_has_its_reason(pack: Pack, root: Path) -> None:
    packed = pack("mimic-cxr-jpg", root)
    assert packed.manifest.dropped == {
        "report file not found": 1,
        "report without a usable section": 1,
        "image file not found": 1,
        "image is cut off": 1,
        "no split given": 1,
        "duplicate of another row": 1,
    }
    assert [(row["row"], row["reason"]) for row in packed.dropped] == [
        ("6", "report file not found"),
        ("7", "report without a usable section"),
        ("8", "image file not found"),
        ("9", "image is cut off"),
        ("10", "no split given"),
        ("11", "duplicate of another row"),
    ]
    assert packed.dropped[2]["path"] == "files/p10/p10000980/s50985099/gone0000.jpg", "what to look for"
    assert "dropped, report file not found: 1 (rows 6)" in packed.lines


def test_uncertain_and_missing_labels_are_unknown_and_counted(pack: Pack, root: Path) -> None:
    packed = pack("mimic-cxr-jpg", root)
    labels = packed.study("No acute\ncardiopulmonary process.")["labels"]
    assert (labels["Edema"], labels["Fracture"], labels["Cardiomegaly"], labels["Pneumonia"]) == (1, 0, None, None)
    assert packed.study("Single frontal view.")["labels"] == {}, "the study is not in the table of labels"
    assert set(packed.study("No pneumonia.")["labels"].values()) == {None}
    counts = {key: packed.manifest.source[f"labels_{key}"] for key in ("positive", "negative", "uncertain")}
    assert counts == {"positive": 1, "negative": 1, "uncertain": 1}
    assert packed.manifest.source["labels_not_mentioned"] == 25


@pytest.mark.parametrize(("uncertain", "expected"), [("positive", 1), ("negative", 0)])
def test_uncertain_labels_get_the_given_value_and_missing_ones_stay_unknown(
    pack: Pack, root: Path, uncertain: str, expected: float
) -> None:
    packed = pack("mimic-cxr-jpg", root, uncertain=uncertain)
    labels = packed.study("No acute\ncardiopulmonary process.")["labels"]
    assert (labels["Cardiomegaly"], labels["Pneumonia"]) == (expected, None)
    assert packed.manifest.source["uncertain"] == uncertain


def test_the_other_labeller_and_none(pack: Pack, root: Path) -> None:
    labels = pack("mimic-cxr-jpg", root, labels="negbio").study("No acute\ncardiopulmonary process.")["labels"]
    assert (labels["Edema"], labels["Fracture"]) == (0, None)
    (root / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    assert pack("mimic-cxr-jpg", root, labels="none").manifest.labels == ()


@pytest.mark.parametrize(
    ("views", "images"), [("frontal", ["PA", "antero-posterior", "AP"]), ("lateral", ["LATERAL", "LL"])]
)
def test_only_one_kind_of_view(pack: Pack, root: Path, views: str, images: list[str]) -> None:
    packed = pack("mimic-cxr-jpg", root, views=views)
    kept = {image["view"] for study in packed.studies for image in study["images"]}
    assert kept == set(images)
    left_out = packed.manifest.source["rows_left_out_by_views"]
    assert left_out == (2 if views == "frontal" else 9)
    assert f"{left_out} images were left out by --views {views}" in packed.manifest.notes


def test_sections_can_be_joined_and_put_in_another_order(pack: Pack, root: Path) -> None:
    packed = pack("mimic-cxr-jpg", root, sections=("findings+impression",))
    assert packed.study("There is no focal consolidation.\n\nNo acute\ncardiopulmonary process.")
    assert packed.manifest.source["reports_from_findings+impression"] == 1
    assert packed.manifest.dropped["report without a usable section"] == 3


def test_reports_are_read_from_the_archive_as_published(pack: Pack, root: Path, tmp_path: Path) -> None:
    unpacked = pack("mimic-cxr-jpg", root)
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip", "w") as archive:
        for path in sorted(root.glob("files/**/*.txt")):
            archive.write(path, path.relative_to(root))
            path.unlink()
    packed = pack("mimic-cxr-jpg", root)
    assert sorted(study["report"] for study in packed.studies) == sorted(study["report"] for study in unpacked.studies)
    assert packed.manifest.dropped == unpacked.manifest.dropped
    elsewhere = (root / "mimic-cxr-reports.zip").rename(tmp_path / "r.zip")
    assert pack("mimic-cxr-jpg", root, reports=elsewhere).manifest.studies == packed.manifest.studies
    elsewhere.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"r\.zip: cannot be read as a ZIP archive"):
        pack("mimic-cxr-jpg", root, reports=elsewhere)


def test_unpacked_tables_are_found_too(pack: Pack, root: Path) -> None:
    import gzip

    for path in root.glob("*.csv.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert sum(pack("mimic-cxr-jpg", root).manifest.studies["pairs"].values()) == 4


def test_missing_files_are_named_with_their_origin(pack: Pack, root: Path) -> None:
    for name in ("split", "chexpert"):
        (root / f"mimic-cxr-2.0.0-{name}.csv.gz").unlink()
    with pytest.raises(InputError) as raised:
        pack("mimic-cxr-jpg", root)
    assert str(raised.value) == (
        f"{root}: mimic-cxr-2.0.0-split.csv.gz, mimic-cxr-2.0.0-chexpert.csv.gz are missing; they come with "
        "MIMIC-CXR-JPG, https://physionet.org/content/mimic-cxr-jpg/"
    )


def test_the_right_folder_is_named_if_root_is_one_too_high_or_too_deep(pack: Pack, root: Path) -> None:
    for wrong in (root.parent, root / "files"):
        with pytest.raises(InputError, match=rf"They are in {root}; give that folder as ROOT"):
            pack("mimic-cxr-jpg", wrong)


def test_reports_that_were_never_downloaded_are_named_once(pack: Pack, root: Path) -> None:
    for path in root.glob("files/**/*.txt"):
        path.unlink()
    with pytest.raises(InputError, match="contains no report of the 9 studies; they come with MIMIC-CXR "):
        pack("mimic-cxr-jpg", root)
    packed = pack("mimic-cxr-jpg", root, without_reports=True)
    assert sum(packed.manifest.studies["images"].values()) == 6


def test_a_label_that_is_not_a_flag_is_refused_with_its_place_and_class(
    pack: Pack, root: Path, table: Callable[..., None]
) -> None:
    path = root / "mimic-cxr-2.0.0-chexpert.csv.gz"
    table(path, ("subject_id", "study_id", *CHEXPERT_CLASSES), [("1", "2", "perhaps", *[""] * 13)])
    with pytest.raises(InputError, match=r"chexpert\.csv\.gz: row 1: No Finding: expected 1, 0, -1 or nothing"):
        pack("mimic-cxr-jpg", root)


def test_a_table_of_another_kind_is_refused(pack: Pack, root: Path, table: Callable[..., None]) -> None:
    table(root / "mimic-cxr-2.0.0-split.csv.gz", ("dicom", "split"), [("1", "train")])
    with pytest.raises(InputError, match=r"split\.csv\.gz: .*no column dicom_id \(did you mean dicom\?\)"):
        pack("mimic-cxr-jpg", root)


@pytest.fixture
def archive(root: Path) -> Path:
    """The reports as mimic-cxr-reports.zip, and nowhere else."""
    place = root / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.glob("files/**/*.txt")):
            archive.write(path, path.relative_to(root))
            path.unlink()
    return place


def damaged(data: bytes, by: str) -> bytes:
    """Return an archive whose first member is damaged, whose members have a password or a newer compression."""
    changed = bytearray(data)
    start = len(data) if by == "member" else 0
    if by == "member":
        name = int.from_bytes(data[26:28], "little")
        changed[30 + name : 30 + name + 40] = b"\xff" * 40
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark, start)
        while at >= 0:
            if by == "password":
                changed[at + flags] |= 1
            elif by == "compression":
                changed[at + flags + 2] = 99
            at = data.find(mark, at + 1)
    return bytes(changed)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("member", "the archive is damaged; download it again"),
        ("password", "the archive has a password or an unknown compression; unpack it"),
        ("compression", "the archive has a password or an unknown compression; unpack it"),
    ],
)
def test_a_member_of_the_archive_that_cannot_be_read_is_one_line_without_a_patients_path(
    pack: Pack, root: Path, archive: Path, by: str, message: str
) -> None:
    archive.write_bytes(damaged(archive.read_bytes(), by))
    with pytest.raises(InputError, match=rf"mimic-cxr-reports\.zip: {message}") as raised:
        pack("mimic-cxr-jpg", root)
    assert "p10" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_archive_that_is_cut_off_is_one_line(pack: Pack, root: Path, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read as a ZIP archive; download it again"):
        pack("mimic-cxr-jpg", root)


@pytest.mark.parametrize("subject", ["nan", "", "../../../../../etc/x"])
def test_a_subject_that_is_missing_or_a_path_reads_no_report_outside(
    pack: Pack, root: Path, table: Callable[..., None], subject: str
) -> None:
    (root.parent / "s1.txt").write_text(" IMPRESSION:  Outside.\n")
    row = ("02aa804e", subject, "1", "", "PA", 16, 16, 1, 1, "", "", "")
    good = ("68b5c4b1", "10000898", "50771383", "", "LL", 16, 16, 1, 1, "", "", "")
    table(root / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, [row, good])
    packed = pack("mimic-cxr-jpg", root)
    assert sum(packed.manifest.studies["pairs"].values()) == 1


def test_a_byte_order_mark_does_not_hide_the_first_header(pack: Pack, root: Path) -> None:
    path = root / "files/p10/p10000980/s50985099.txt"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text("IMPRESSION:  Effusion.\n", encoding=encoding)
        packed = pack("mimic-cxr-jpg", root, without_images=True)
        assert packed.study("Effusion.")


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], root: Path) -> None:
    typed_as_on_its_page("mimic-cxr-jpg", root)
