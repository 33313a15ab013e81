"""Small sources of every importer, damaged by a seed: bytes flipped, files cut off, odd cells, paths swapped."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from radsweep.data.importers.toolkit.views_and_labels import CHEXPERT_CLASSES

MARK = "77142"  # in every id and name of a patient's file
WORD = "zebrafish"  # in every report
Files = dict[str, bytes]
ODD_CELLS = (
    "", " ", "nan", "None", "\\N", "#REF!", "-1", "0.5", "1e309", "['a', 'b']", "['a", "{}", "a|b", "a;b,c",
    "/etc/passwd", "../../x.png", "/", ".", "..", "*", "?[", "x" * 5000, "\0", "a\0b", "\ufeff1", "\ud7ff", "é\u0301",
    "\u202e", "<p></p>", "&nbsp;", "_x000D_", '"', "'", "\t", "\n", "\r", "=1+1", "%s{0}", "{image}", "C:\\x\\1.png",
    "file:///x.png", "🫁", "9" * 400, "train", "test", "1", "0", "True", "CON", "a/b/c/d", "~", "-", "--help",
    "\x1b[31m", "\u2028",
)  # fmt: skip


class Case(NamedTuple):
    """A source and how to pack it. files: content by path. settings: for the importer."""

    importer: str
    files: Files
    settings: dict[str, Any]


def picture(seed: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12), np.uint8)).save(file, kind)
    return file.getvalue()


@cache
def dicom(seed: int) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"1.2.3.{seed}"
    ds.Rows = ds.Columns = 12
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = np.random.default_rng(seed).integers(0, 256, (12, 12), np.uint8).tobytes()
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def table(header: tuple[str, ...], rows: list[tuple[object, ...]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the same at any time of day


def zipped(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # without the time of day
    return file.getvalue()


def report(number: int) -> str:
    return f"FINDINGS: Heart of {WORD} {number}, clear.\n\nIMPRESSION: Ünauffällig {WORD} {number}."


def own_table(form: str) -> Case:
    header = ("image", "report", "patient", "study", "split", "view", "edema", "finding")
    rows = [
        (f"{MARK}_{i}.png", report(i), f"{MARK}{i // 2}", f"{MARK}s{i}", ("train", "valid", "test")[i // 2], "PA",
         i % 2, "mass|node" if i % 3 else "none seen") for i in range(6)
    ]  # fmt: skip
    text = table(header, rows, ";" if form == "semicolons" else ",")
    if form == "parquet":
        file = io.BytesIO()
        columns = [list(map(str, values)) for values in zip(*rows, strict=True)]
        pq.write_table(pa.table(dict(zip(header, columns, strict=True))), file)
        text = file.getvalue()
    elif form == "utf-16":
        text = text.decode().encode("utf-16")
    content = {"gz": gzipped(text), "zip": zipped({"m.csv": text})}
    settings: dict[str, Any] = {"image": "images/{image}", "report": "report", "patient": "patient", "study": "study"}
    settings |= {"split": "split", "view": "view", "labels": ("edema", "finding")}
    images = {f"images/{MARK}_{i}.png": picture(i) for i in range(6)}
    return Case("csv", {"metadata.csv": content.get(form, text), **images}, settings)


def wild_table() -> Case:
    case = own_table("text")
    return case._replace(
        settings={"image": "*/{image}*", "report": "report", "patient": "patient", "keep": ("view=PA",)}
    )


def mimic(form: str) -> Case:
    files, reports, metadata, splits, labels = {}, {}, [], [], []
    for i in range(5):
        subject, study, name = f"{MARK}00{i // 2}", f"{MARK}1{i}", f"{MARK}abc{i}"
        folder = f"files/p{subject[:2]}/p{subject}/s{study}"
        files[f"{folder}/{name}.jpg"] = picture(i, "JPEG")
        reports[f"{folder}.txt"] = f" FINAL REPORT\n {report(i)}\n".encode()
        metadata.append((name, subject, study, "PA", "postero-anterior"))
        splits.append((name, study, subject, ("train", "validate", "test")[i // 2]))
        labels.append((subject, study, *("1.0" if i % 2 else "-1.0" for _ in CHEXPERT_CLASSES)))
    columns = ("dicom_id", "subject_id", "study_id", "ViewPosition", "ViewCodeSequence_CodeMeaning")
    for part, header, rows in (
        ("metadata", columns, metadata),
        ("split", ("dicom_id", "study_id", "subject_id", "split"), splits),
        ("chexpert", ("subject_id", "study_id", *CHEXPERT_CLASSES), labels),
    ):
        files[f"mimic-cxr-2.0.0-{part}.csv.gz"] = gzipped(table(header, rows))
    files |= {"mimic-cxr-reports.zip": zipped(reports)} if form == "zip" else reports
    return Case("mimic-cxr-jpg", files, {})


def openi(form: str) -> Case:
    files, reports, projections = {}, [], []
    for i in range(5):
        uid, name = f"{MARK}{i}", f"{MARK}_{i}_IM.dcm"
        folder = "images" if form == "csv" else "NLMCXR_png"
        files[f"{folder}/{name}.png"] = picture(i)
        reports.append((uid, "normal;Opacity/lung", "None.", f"Clear {WORD} {i}.", f"Normal {WORD} {i}."))
        projections.append((uid, f"{name}.png", "Frontal"))
        if form == "xml":
            files[f"ecgen-radiology/{uid}.xml"] = (
                f'<?xml version="1.0" encoding="utf-8"?><eCitation><AbstractText Label="FINDINGS">Clear {WORD} {i}.'
                f'</AbstractText><MeSH><major>normal</major></MeSH><parentImage id="{name}"/></eCitation>'
            ).encode()
    if form == "csv":
        header = ("uid", "Problems", "comparison", "findings", "impression")
        files["indiana_reports.csv"] = table(header, reports)
        files["indiana_projections.csv"] = table(("uid", "filename", "projection"), projections)
    return Case("openi", files, {"label_studies": 1, "sections": ("findings+impression",)})


def chexpert() -> Case:
    files, plus = {}, []
    for split in ("train", "valid"):
        rows = []
        for i in range(3):
            path = f"{split}/patient{MARK}{i}/study1/view1_frontal.jpg"
            files[path] = picture(i + 10 * len(split), "JPEG")
            rows.append((f"CheXpert-v1.0-small/{path}", "Frontal", "AP", *("1.0" for _ in CHEXPERT_CLASSES)))
            plus.append((path, f"Clear {WORD} {i}.", f"Normal {WORD} {i}."))
        files[f"{split}.csv"] = table(("Path", "Frontal/Lateral", "AP/PA", *CHEXPERT_CLASSES), rows)
    header = ("path_to_image", "section_findings", "section_impression")
    files["df_chexpert_plus_240401.csv"] = table(header, plus)
    return Case("chexpert", files, {})


def rsna() -> Case:
    names = [f"{MARK}-{i}" for i in range(4)]
    files = {f"stage_2_train_images/{name}.dcm": dicom(i) for i, name in enumerate(names)}
    files["stage_2_train_labels.csv"] = table(("patientId", "x", "Target"), [(name, "1.0", 1) for name in names])
    files["stage_2_detailed_class_info.csv"] = table(("patientId", "class"), [(name, "Normal") for name in names])
    entries = [{"img_id": f"{MARK}{i}_0.png", "subset_img_id": name} for i, name in enumerate(names)]
    files["pneumonia-challenge-dataset-mappings_2018.json"] = json.dumps(entries).encode()
    return Case("rsna", files, {})


def nih() -> Case:
    names = [f"{MARK}{i:03}_000.png" for i in range(5)]
    files = {f"images_001/images/{name}": picture(i) for i, name in enumerate(names)}
    rows = [(name, "Mass|Nodule" if i % 2 else "No Finding", f"{MARK}{i}", "PA") for i, name in enumerate(names)]
    files["Data_Entry_2017.csv"] = table(("Image Index", "Finding Labels", "Patient ID", "View Position"), rows)
    files["train_val_list.txt"] = "\n".join(names[:3]).encode()
    files["test_list.txt"] = "\r\n".join(names[3:]).encode()
    return Case("nih", files, {})


def roco(version: int) -> Case:
    files = {}
    for start, (first, second) in enumerate((("train", "train"), ("validation", "valid"), ("test", "test"))):
        names = [f"ROCO_{MARK}{start}{i}" for i in range(2)]
        if version == 2:
            files[f"{second}_captions.csv"] = table(
                ("ID", "Caption"), [(name, f"CT of {WORD} {name[-2:]}.") for name in names]
            )
            files |= {f"{second}/{name}.jpg": picture(10 * start + i, "JPEG") for i, name in enumerate(names)}
            continue
        folder = f"data/{first}/radiology"
        files[f"{folder}/captions.txt"] = "".join(f"{name}\tCT of {WORD} {name[-2:]}.\n" for name in names).encode()
        files[f"{folder}/licences.txt"] = table(("ROCO_ID", "PMC_ID"), [(name, f"{name}.jpg") for name in names])
        files |= {f"{folder}/images/{name}.jpg": picture(10 * start + i, "JPEG") for i, name in enumerate(names)}
    return Case("roco", files, {})


def padchest() -> Case:
    header = ("", "ImageID", "ImageDir", "StudyID", "PatientID", "Projection", "Report", "Labels")
    rows = [
        (i, f"{MARK}_{i}.png", i % 2, f"{MARK}s{i}", f"{MARK}{i}", "PA", f"derrame {WORD} {i}.", "['effusion', 'node']")
        for i in range(5)
    ]
    files = {f"{i % 2}/{MARK}_{i}.png": picture(i) for i in range(5)}
    files["PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"] = gzipped(table(header, rows))
    return Case("padchest", files, {"label_images": 1})


def vindr() -> Case:
    files: Files = {}
    for split in ("train", "test"):
        names = [f"{MARK}{split}{i}" for i in range(3)]
        files |= {f"{split}/{name}.dicom": dicom(i + len(split)) for i, name in enumerate(names)}
        rows = [(name, "R1", 1, 0) for name in names]
        files[f"annotations/image_labels_{split}.csv"] = table(("image_id", "rad_id", "Mass", "Nodule"), rows)
    return Case("vindr-cxr", files, {})


CASES: tuple[Callable[[], Case], ...] = (
    lambda: own_table("text"), lambda: own_table("semicolons"), lambda: own_table("gz"), lambda: own_table("zip"),
    lambda: own_table("parquet"), lambda: own_table("utf-16"), wild_table, lambda: mimic("zip"),
    lambda: mimic("folder"), lambda: openi("xml"), lambda: openi("csv"), chexpert, rsna, nih, lambda: roco(1),
    lambda: roco(2), padchest, vindr,
)  # fmt: skip


def damaged_case(seed: int) -> Case:
    """Return the source number `seed` in turn, with one to three damages that the seed decides."""
    case, chance = CASES[seed % len(CASES)](), random.Random(seed)
    files = dict(case.files)
    for _ in range(chance.randint(1, 3)):
        chance.choice(_DAMAGES)(files, chance)
    return case._replace(files=files)


def write(files: Files, root: Path, chance: random.Random) -> None:
    """Write the files of a source; a few are links, folders or have another name."""
    root.mkdir(parents=True)
    for name, content in files.items():
        path = os.path.join(os.fsencode(root), name.encode("utf-8", "surrogateescape"))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        except OSError:  # a damage has put a file where a folder must be
            continue
    if chance.random() < 0.1:
        (root / "loop").symlink_to(root)
        (root / "broken").symlink_to(root / "nowhere")


def _flip(files: Files, chance: random.Random) -> None:
    name = _any(files, chance)
    content = bytearray(files[name])
    for _ in range(chance.choice((1, 1, 3, 20)) if content else 0):
        content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
    files[name] = bytes(content)


def _cut(files: Files, chance: random.Random) -> None:
    name = _any(files, chance)
    files[name] = files[name][: chance.randrange(len(files[name]) + 1)]


def _odd_cells(files: Files, chance: random.Random) -> None:
    name = _any(files, chance, tables=True)
    text, compressed = _text(files[name])
    delimiter = ";" if text.count(";") > text.count(",") else "\t" if "\t" in text else ","
    lines = text.split("\n")
    for _ in range(chance.choice((1, 2, 6))):
        at = chance.randrange(len(lines))
        cells = lines[at].split(delimiter)
        odd = chance.choice(ODD_CELLS)
        cells[chance.randrange(len(cells))] = chance.choice((odd, f'"{odd}"'))
        lines[at] = delimiter.join(cells)
    changed = "\n".join(lines).encode("utf-8", "surrogateescape")
    files[name] = gzipped(changed) if compressed else changed


def _odd_column(files: Files, chance: random.Random) -> None:
    name = _any(files, chance, tables=True)
    text, compressed = _text(files[name])
    rows = list(csv.reader(io.StringIO(text.replace("\0", ""), newline="")))
    if not rows or not rows[0]:
        return
    at, odd = chance.randrange(len(rows[0])), chance.choice(ODD_CELLS)
    changed = [[odd if i == at and number else cell for i, cell in enumerate(row)] for number, row in enumerate(rows)]
    data = table(tuple(changed[0]), [tuple(row) for row in changed[1:]])
    files[name] = gzipped(data) if compressed else data


def _text(content: bytes) -> tuple[str, bool]:
    """Return the text of a file, and True if it was compressed."""
    try:
        return gzip.decompress(content).decode("utf-8", "surrogateescape"), True
    except (OSError, EOFError, zlib.error):
        return content.decode("utf-8", "surrogateescape"), False


def _swap(files: Files, chance: random.Random) -> None:
    one, other = _any(files, chance), _any(files, chance)
    files[one], files[other] = files[other], files[one]


def _rename(files: Files, chance: random.Random) -> None:
    name = _any(files, chance)
    folder, _, last = name.rpartition("/")
    names = [last.upper(), last.swapcase(), f"._{last}", f"{last}.txt", last.rpartition(".")[0] or "x", f"{last}\udce9"]
    new = chance.choice([*names, f"{last}/inside", f"deep/{last}"])
    files[f"{folder}/{new}" if folder else new] = files.pop(name)


def _remove(files: Files, chance: random.Random) -> None:
    files.pop(_any(files, chance))


def _insert(files: Files, chance: random.Random) -> None:
    name = _any(files, chance)
    content = files[name]
    at = chance.choice((0, chance.randrange(len(content) + 1), len(content)))
    piece = chance.choice(
        (b"\xef\xbb\xbf", b"\xff\xfe", b"\0" * 64, b"\n" * 9, b'"', b"sep=;\n", b"PK\3\4", b"\x1f\x8b", b" ")
    )
    files[name] = content[:at] + piece + content[at:]


def _encode(files: Files, chance: random.Random) -> None:
    name = _any(files, chance, tables=True)
    try:
        files[name] = (
            files[name].decode().encode(chance.choice(("utf-16", "utf-16-be", "cp1252", "utf-8-sig")), "replace")
        )
    except UnicodeDecodeError:
        files[name] = b""


_DAMAGES = (_flip, _cut, _odd_cells, _odd_cells, _odd_cells, _odd_column, _swap, _rename, _remove, _insert, _encode)
_TABLES = (".csv", ".csv.gz", ".txt", ".xml", ".json")


def _any(files: Files, chance: random.Random, tables: bool = False) -> str:
    """Return the path of one file; tables and lists are chosen more often than pictures."""
    names = sorted(name for name in files if name.endswith(_TABLES))
    if not names or (not tables and chance.random() < 0.5):
        names = sorted(files)
    return chance.choice(names)
