"""A finished sweep, made in this process without Ray, and files as the examples of the docstrings name them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

import radsweep as rs
from radsweep.config.load import parse_experiment
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.store.records import SweepRecord, now
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.sweep.identity.cell_key import cell_key
from radsweep.sweep.preparation.dataset import manifest_summary
from radsweep.sweep.run import finish
from radsweep.training.context import RunContext
from radsweep.training.runner import run_cell
from radsweep.training.task import Task

TREE: dict[str, Any] = {
    "experiment": "small",
    "data": {"shards": "my-shards", "source": "cached"},
    "model": {"image": {"size": 32}, "dim": 32},
    "train": {"until": "steps", "steps": 4, "batch_size": 16, "learning_rate": 1e-3},
    "evaluate": {"every_steps": 2},
    "ablation": {"arms": {"baseline": {}, "sentences": {"augment.text.sentences": "sample"}}, "pairs": [20, 40]},
    "run": {"slots": 1},
}


class Prepared(NamedTuple):
    """`folder` holds what the examples name; `sweep` is `small` in the store `folder`/store."""

    folder: Path
    store: Store
    sweep: SweepRecord


@pytest.fixture(scope="session")
def prepared(phantom: Path, short_folder: Path) -> Prepared:
    folder = short_folder / "examples"
    folder.mkdir()
    (folder / "my-shards").symlink_to(phantom)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(TREE, sort_keys=False))
    store = Store(folder / "store")
    sweep = small_sweep(phantom, store)
    (folder / "checkpoint").symlink_to(store.report_folder(sweep) / "winner")
    own_data(folder)
    return Prepared(folder, store, sweep)


@pytest.fixture
def here(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: one of its own with what `prepared` has. Its default store is empty."""
    for path in prepared.folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADSWEEP_STORE", str(tmp_path / "empty"))
    return tmp_path


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A trial sets the threads of its process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def small_sweep(shards: Path, store: Store) -> SweepRecord:
    """The ablation of TREE with every trial run, its report and its winner."""
    experiment = parse_experiment(TREE | {"data": {"shards": str(shards), "source": "cached"}}, "test")
    index, base = read_index(shards), experiment.trial()
    rows = zip(index.splits["train"].patient_ids, index.reports["train"], strict=True)
    data = prepare_in_process(index, train_tokenizer(rows, base.model.text.vocabulary), 32, 1)
    cells = plan_cells(experiment, partial(cell_key, data=data.fingerprint, device="cpu"))
    sweep = SweepRecord(
        id="small-20260101-120000-abcd",
        name="small",
        kind="ablation",
        experiment=experiment.model_dump(mode="json", exclude_none=True),
        select=experiment.evaluate.select,
        cells=tuple(cells),
        baseline="baseline",
        status="finished",
        data=manifest_summary(index.manifest),
        created=now(),
    )
    store.write_sweep(sweep)
    for cell in cells:
        trial = cell_trial(base, cell).model_dump(mode="json")
        task = Task(cell.key, trial, str(store.cell_folder(cell.key)), "", True, "c0de", {}, {}, sweep.id)
        record = run_cell(task, data, RunContext())
        assert record.status == "finished", record.error
        store.write_cell(record)
    finish(store, sweep)
    return sweep


def own_data(folder: Path) -> None:
    """a.png and b.dcm, and ROOT: 20 images with a table, as the pages name its columns."""
    noise = np.random.default_rng(0).integers(0, 255, (21, 50, 40), dtype=np.uint8)
    Image.fromarray(noise[20]).save(folder / "a.png")
    dicom(noise[20]).save_as(folder / "b.dcm", enforce_file_format=True)
    root = folder / "ROOT"
    root.mkdir()
    rows = ["image_file,clinical_notes,patientid"]
    for number in range(20):
        Image.fromarray(noise[number]).save(root / f"{number}.png")
        rows.append(f"{number}.png,Nodule of {number} mm in the left lung.,p{number}")
    (root / "metadata.csv").write_text("\n".join(rows), encoding="utf-8")


def dicom(pixels: np.ndarray, photometric: str = "MONOCHROME2", **more: Any) -> Dataset:
    """A grey DICOM file of uint8 or uint16 pixels [H, W]."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    ds.PixelData = pixels.tobytes()
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


REPORTS = (
    "No effusion.",
    "  Nodule of 4 mm in the left lung.\nNo pneumothorax. ",
    "Large opacity. " * 120,  # longer than any text tower reads
    "Effusion on the right, small.",
    "No effusion.",
    "The heart is large [SEP] and the lungs are clear.",
    "Naïve findings: 3 × 4 mm, µ-nodules.",
    "Mass.",
)


@pytest.fixture(scope="session")
def originals(short_folder: Path) -> list[Path]:
    """Files of every kind that packing reads: one for each of REPORTS."""
    folder = short_folder / "originals"
    folder.mkdir()
    draw = np.random.default_rng(1)
    grey = draw.integers(0, 255, (50, 40), dtype=np.uint8)
    deep = draw.integers(0, 4096, (60, 30), dtype=np.uint16)
    colour = draw.integers(0, 255, (200, 300, 3), dtype=np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = Image.fromarray(np.dstack([colour, colour[..., 0]])).convert("RGBA")
    pictures: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "grey.png": (Image.fromarray(grey), {}),
        "deep.png": (Image.fromarray(deep), {}),
        "colour.jpg": (Image.fromarray(colour), {"quality": 90}),
        "turned.jpg": (Image.fromarray(colour[:80]), {"exif": turned}),
        "palette.png": (Image.fromarray(colour).quantize(16), {"transparency": 3}),
        "clear.png": (clear, {}),
        "large.jpg": (Image.fromarray(np.kron(grey, np.ones((9, 9), dtype=np.uint8))), {}),
    }
    for name, (picture, options) in pictures.items():
        picture.save(folder / name, **options)
    window = {"WindowCenter": 1800, "WindowWidth": 2000, "RescaleSlope": 1, "RescaleIntercept": -100}
    dicom(deep, "MONOCHROME1", **window).save_as(folder / "film.dcm", enforce_file_format=True)
    return [folder / name for name in (*pictures, "film.dcm")]


@pytest.fixture(scope="session")
def packed(originals: list[Path], short_folder: Path) -> Callable[[int | None], Path]:
    """packed(size): the originals with REPORTS as the test split of a data set, shrunk to a longest side or not."""

    def pack(size: int | None) -> Path:
        out = short_folder / f"packed-{size}"
        if not out.exists():
            table = originals[0].parent / "table.csv"
            with table.open("w", newline="", encoding="utf-8") as file:
                lines = csv.writer(file)
                lines.writerow(["file", "text", "patient", "split"])
                lines.writerows(
                    (path.name, text, f"p{n}", "test")
                    for n, (path, text) in enumerate(zip(originals, REPORTS, strict=True))
                )
            options = {"image": "file", "report": "text", "patient": "patient", "split": "split"}
            rs.pack_csv(table.parent, out, table="table.csv", size=size, **options)
        return out

    return pack


@pytest.fixture(scope="session")
def reports() -> tuple[str, ...]:
    return REPORTS
