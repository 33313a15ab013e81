"""Open-i in both of its forms, as downloaded, and its real reports if they are available."""

from __future__ import annotations

import csv
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.errors import InputError

Pack = Callable[..., Any]
XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
  <meta type="rr"/>
  <uId id="CXR{uid}"/>
  <pmcId id="{uid}"/>
  <MedlineCitation Owner="Indiana University" Status="supplied by publisher">
    <Article PubModel="Electronic">
      <Abstract>
        <AbstractText Label="COMPARISON">None.</AbstractText>
        <AbstractText Label="INDICATION">Positive TB test</AbstractText>
        <AbstractText Label="FINDINGS">{findings}</AbstractText>
        <AbstractText Label="IMPRESSION">{impression}</AbstractText>
      </Abstract>
    </Article>
  </MedlineCitation>
  <MeSH>{headings}</MeSH>
  {images}
</eCitation>
"""
IMAGE = '<parentImage id="{}"><figureId>F1</figureId><panel type="single"><url>/x/{}.jpg</url></panel></parentImage>'
STUDIES = [  # uid, findings, impression, headings, images
    (1, "Lungs are clear.", "Normal chest x-XXXX.", ["normal"], ["CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001"]),
    (2, "Large heart.", "", ["Cardiomegaly/borderline", "Opacity/lung", "Opacity/bilateral"], ["CXR2_IM-0652-1001"]),
    (3, "XXXX", "XXXX.", ["No Indexing"], ["CXR3_IM-1384-1001"]),
    (4, "Effusion.", "Small effusion.", [], []),
    (5, "Gone.", "Gone.", ["normal"], ["CXR5_IM-2117-1003002"]),
    (6, "Scar.", "Old scar.", ["Technical Quality of Image Unsatisfactory "], ["CXR6_IM-2192-1001"]),
]  # fmt: skip


@pytest.fixture
def xml(tmp_path: Path, picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "openi"
    (root / "ecgen-radiology").mkdir(parents=True)
    seed = 0
    for uid, findings, impression, headings, images in STUDIES:
        majors = "".join(f"<major>{heading}</major>" for heading in headings) + "<automatic>heart</automatic>"
        shown = "".join(IMAGE.format(name, name) for name in images)
        text = XML.format(uid=uid, findings=findings, impression=impression, headings=majors, images=shown)
        (root / "ecgen-radiology" / f"{uid}.xml").write_text(text, encoding="utf-8")
        for name in images:
            seed += 1
            if uid != 5:
                picture(root / "NLMCXR_png" / f"{name}.png", seed)
    (root / "NLMCXR_png" / "CXR6_IM-2192-1001.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return root


def test_xml_reports_pair_with_their_images(pack: Pack, xml: Path) -> None:
    packed = pack("openi", xml, without_images=True)
    assert sum(packed.manifest.studies["pairs"].values()) == 2
    assert len(packed.study("Normal chest x-XXXX.")["images"]) == 2
    assert packed.study("Large heart.")["images"][0]["view"] == ""
    assert sum(packed.manifest.studies["reports"].values()) == 3, "4, 5 and 6 have no picture"
    assert packed.manifest.dropped == {"report without a usable section": 1}
    source = packed.manifest.source
    assert (source["form"], source["reports_from_impression"], source["reports_from_findings"]) == ("xml", 4, 1)


def test_xml_reports_without_a_picture_are_dropped_with_their_reason(pack: Pack, xml: Path) -> None:
    packed = pack("openi", xml)
    assert packed.manifest.dropped == {
        "report without a usable section": 1,
        "image file not found": 2,
        "image is cut off": 1,
    }
    assert [row["row"] for row in packed.dropped] == ["4", "5", "6", "7"]


def test_headings_are_labels_and_those_of_unindexed_studies_are_unknown(pack: Pack, xml: Path) -> None:
    packed = pack("openi", xml, without_images=True, label_studies=1)
    labels = packed.study("Large heart.")["labels"]
    assert (labels["Cardiomegaly"], labels["Opacity"], labels["normal"]) == (1, 1, 0)
    assert set(packed.study("Small effusion.")["labels"].values()) == {None}
    assert packed.manifest.labels == ("Cardiomegaly", "Opacity", "Technical Quality of Image Unsatisfactory", "normal")


def test_rare_headings_do_not_become_labels(pack: Pack, xml: Path) -> None:
    packed = pack("openi", xml, label_studies=2)
    assert packed.manifest.labels == ("normal",)
    assert "3 of 4 headings are not labels: each is in fewer than 2 studies" in packed.manifest.notes


@pytest.fixture
def tables(tmp_path: Path, table: Callable[..., None], picture: Callable[[Path, int], None]) -> Path:
    root = tmp_path / "indiana"
    table(
        root / "indiana_reports.csv",
        ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"),
        [
            (
                1,
                "normal",
                "normal",
                "Xray Chest PA and Lateral",
                "Positive TB test",
                "None.",
                "Clear.",
                "Normal chest.",
            ),
            (2, "Hernia, Hiatal/large", "Hernia, Hiatal;Opacity", "PA", "", "", "Hernia seen.", ""),
            (3, "No Indexing", "No Indexing", "PA", "Cough", "None.", "", ""),
            (4, "normal", "normal", "PA", "", "", "Lungs clear.", "nan"),
            (4, "normal", "normal", "PA", "", "", "Lungs clear.", "nan"),
            (1, "normal", "normal", "PA", "", "", "", "Another impression."),
        ],
    )
    images = [(1, "1_IM-0001-4001.dcm.png", "Frontal"), (1, "1_IM-0001-3001.dcm.png", "Lateral"),
              (2, "2_IM-0652-1001.dcm.png", "Frontal"), (3, "3_IM-1384-1001.dcm.png", "Frontal"),
              (4, "4_IM-2050-1001.dcm.png", "Lateral"), (9, "9_IM-2407-1001.dcm.png", "Frontal")]  # fmt: skip
    table(root / "indiana_projections.csv", ("uid", "filename", "projection"), images)
    for seed, (_, name, _) in enumerate(images):
        picture(root / "images" / "images_normalized" / name, seed)
    return root


def test_the_csv_form_gives_views_and_lists_studies_missing_in_the_table_of_reports(pack: Pack, tables: Path) -> None:
    packed = pack("openi", tables, label_studies=1)
    assert sorted(study["report"] for study in packed.studies) == ["Hernia seen.", "Lungs clear.", "Normal chest."]
    assert [image["view"] for image in packed.study("Normal chest.")["images"]] == ["Frontal", "Lateral"]
    assert packed.manifest.dropped == {
        "report without a usable section": 1,
        "study not in the table of reports": 1,
        "duplicate of another row": 1,
        "report differs from the first of its study": 2,
    }
    assert packed.study("Hernia seen.")["labels"] == {"Hernia, Hiatal": 1, "Opacity": 1, "normal": 0}
    alone = pack("openi", tables, without_reports=True)
    assert sum(alone.manifest.studies["images"].values()) == 2
    assert pack("openi", tables, views="lateral").manifest.images["pairs"] != packed.manifest.images["pairs"]


def test_a_folder_without_either_form_names_both(pack: Pack, tmp_path: Path, tables: Path) -> None:
    empty = tmp_path / "empty" / "empty"
    empty.mkdir(parents=True)
    with pytest.raises(InputError) as raised:
        pack("openi", empty)
    assert "ecgen-radiology is missing; it comes with NLMCXR_reports.tgz of Open-i" in str(raised.value)
    assert "indiana_reports.csv is missing; it comes with the CSV form" in str(raised.value)
    (tables / "indiana_projections.csv").unlink()
    with pytest.raises(InputError, match=r"indiana_projections\.csv is missing"):
        pack("openi", tables)


def test_a_broken_report_is_dropped_with_its_reason_and_its_path_is_only_in_private(pack: Pack, xml: Path) -> None:
    (xml / "ecgen-radiology" / "2.xml").write_text("<eCitation>\n<secret")
    (xml / "ecgen-radiology" / "3.xml").write_bytes(b"")
    (xml / "ecgen-radiology" / "4.xml").write_text("<?xml version='1.0' encoding='utf-99'?><a/>")
    packed = pack("openi", xml)
    assert packed.manifest.dropped["report file is not valid XML"] == 3
    assert "ecgen-radiology/2.xml" in [row["path"] for row in packed.dropped]
    assert not any("2.xml" in line or "secret" in line for line in packed.lines)
    assert packed.study("Normal chest x-XXXX.")


def test_files_that_a_mac_made_are_passed_over(pack: Pack, xml: Path) -> None:
    expected = pack("openi", xml)
    for name in ("._2.xml", ".DS_Store", ".hidden.xml"):
        (xml / "ecgen-radiology" / name).write_bytes(b"\0\5\x16\7")
    (xml / "NLMCXR_png" / "._CXR2_IM-0652-1001.png").write_bytes(b"\0\5\x16\7")
    assert pack("openi", xml).manifest.dropped == expected.manifest.dropped


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.png", "", "a\0b.png"])
def test_a_path_outside_root_is_an_image_that_is_not_found(
    pack: Pack, tables: Path, table: Callable[..., None], path: str
) -> None:
    rows = [(1, path, "Frontal"), (1, "1_IM-0001-3001.dcm.png", "Lateral"), (2, path, "Frontal")]
    table(tables / "indiana_projections.csv", ("uid", "filename", "projection"), rows)
    packed = pack("openi", tables)
    assert packed.manifest.images["pairs"] == {"train": 1, "validation": 0, "test": 0}
    assert packed.manifest.dropped["image file not found"] >= 2


def tiny_png(number: int) -> bytes:
    """Return a grey PNG of 8 x 8 pixels, different for each number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + struct.pack(">II", number, row) for row in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def test_the_real_reports_with_images_under_the_names_their_table_lists(
    pack: Pack, real: Callable[[str], Path], tmp_path: Path
) -> None:
    root = tmp_path / "indiana"
    (root / "images").mkdir(parents=True)
    for name in ("indiana_reports.csv", "indiana_projections.csv"):
        (root / name).symlink_to(real("openi") / name)
    with (root / "indiana_projections.csv").open() as file:
        projections = list(csv.DictReader(file))
    with (root / "indiana_reports.csv").open(encoding="utf-8") as file:
        reports = {row["uid"]: row for row in csv.DictReader(file)}
    for number, row in enumerate(projections):
        (root / "images" / row["filename"]).write_bytes(tiny_png(number))
    packed = pack("openi", root)
    reported = {uid for uid, row in reports.items() if row["impression"] or row["findings"]}
    unreported = sum(row["uid"] not in reported for row in projections)
    assert sum(packed.manifest.studies["pairs"].values()) == len(reported) == 3087
    assert sum(packed.manifest.images["pairs"].values()) == len(projections) - unreported
    assert packed.manifest.dropped == {"report without a usable section": unreported}
    source = packed.manifest.source
    assert source["reports_from_impression"] == sum(bool(row["impression"]) for row in reports.values())
    assert source["reports_from_impression"] + source["reports_from_findings"] == len(reported)
    assert {image["view"] for study in packed.studies for image in study["images"]} == {"Frontal", "Lateral"}
    unindexed = [study for study in packed.studies if set(study["labels"].values()) == {None}]
    assert {"Cardiomegaly", "Pulmonary Disease, Chronic Obstructive", "normal"} <= set(packed.manifest.labels)
    assert len(packed.manifest.labels) < 80
    assert len(unindexed) == sum(reports[uid]["Problems"] == "No Indexing" for uid in reported)


def test_the_commands_of_its_page_pack_it(typed_as_on_its_page: Callable[[str, Path], None], xml: Path) -> None:
    typed_as_on_its_page("openi", xml)
