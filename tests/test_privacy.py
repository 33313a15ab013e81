"""Patients' data stays in the packed data set: a sweep runs on marked reports, ids and paths; all output is searched.

Every mark contains the same rare word, so that one search finds a patient's words, ids, files and a password.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from radsweep.cli import main
from radsweep.config.load import parse_experiment
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.packing.pack import describe
from radsweep.report.analysis import changed_queries as examples
from radsweep.report.render.write import write_report
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.run import run_sweep
from radsweep.tracking.fetch import fetch_sweep
from radsweep.tracking.mirror import spool_folder
from radsweep.tracking.sender import replay
from support.searched import marked

MARK = "qzmark"
PHRASE = (
    "faint opacity projects over the lower zone"  # in every report: its words may be visible, but never their order
)
PATIENTS = 70
FINDINGS = ("edema", "clear lungs", "effusion")
ARMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "adapted": {"adapt.text.method": "mlm", "adapt.image.method": "simclr"},
    "words": {
        "augment.text.sentences": "sample",
        "objective.local.weight": 1.0,
        "objective.neighbours.weight": 1.0,
        "objective.neighbours.bank": 16,
    },
    "diverging": {"train.learning_rate": 1e30},
}


class Swept(NamedTuple):
    sweep: SweepRecord
    store: Store
    shards: Path
    said: str  # for the user: standard output and error


@pytest.fixture(scope="module")
def swept(short_folder: Path, ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Pack, sweep while MLflow is away, send to MLflow, and write the report again from there."""
    capture = pytest.MonkeyPatch()
    said = io.StringIO()
    for stream in ("sys.stdout", "sys.stderr"):
        capture.setattr(stream, said)
    shards, store = short_folder / "private-shards", Store(short_folder / "private-store")
    packed = pack_source(
        "csv",
        CsvSettings(
            image="images/{image}", report="notes", patient="patient", study="study", labels=("Edema",),
            without_reports=True, without_images=True,
        ),
        source(tmp_path_factory.mktemp("source") / f"{MARK}-folder"),
        shards,
    )  # fmt: skip
    said.write("\n".join(describe(packed)))
    experiment = parse_experiment(
        {
            "experiment": "private",
            "data": {"shards": str(shards)},
            "model": {"image": {"size": 32}, "dim": 32},
            "adapt": {"image": {"steps": 2, "batch_size": 8}, "text": {"steps": 2, "batch_size": 8}},
            "train": {"until": "steps", "steps": 4, "batch_size": 16, "learning_rate": 1e-3},
            "evaluate": {
                "every_steps": 2,
                "select": "val/text_to_image/mean_reciprocal_rank",
                "tasks": ["retrieval", "local_retrieval", "zero_shot", "linear_probe"],
            },
            "ablation": {"arms": ARMS},
            "run": {"store": str(store.root), "slots": 1, "tracking_uri": f"http://ann:{MARK}-secret@127.0.0.1:9"},
        },
        "test.yaml",
    )
    sweep = run_sweep(experiment)
    uri = f"sqlite:///{store.root / 'mlflow.db'}"
    spool = spool_folder(store.root, sweep.id)
    (store.root / "waited").mkdir()
    for file in spool.glob("*.json"):  # what waited on disk is searched too
        (store.root / "waited" / file.name).write_bytes(file.read_bytes())
    assert replay(spool, uri, store.root) > 10
    fetched = Store(store.root / "fetched")
    again = fetch_sweep(uri, sweep.id, fetched)
    cells = fetched.read_records(again)
    write_report(fetched.root / "report", again, cells, fetched.read_queries, fetched.read_stages_of(cells))
    capture.undo()
    return Swept(sweep, store, shards, said.getvalue())


def source(root: Path) -> Path:
    """A patient in seven has a second study; one has a picture without report, one a report without picture."""
    (root / "images").mkdir(parents=True)
    draw = np.random.default_rng(0)
    rows = []
    for number in range(PATIENTS):
        for study in range(2 if number % 7 == 0 else 1):
            finding, name = FINDINGS[number % 3], f"{MARK}-image-{number}-{study}.png"
            Image.fromarray(draw.integers(0, 256, (32, 32), np.uint8)).save(root / "images" / name)
            often = f" {MARK}rare" * 9 if number in (7, 14) else ""  # two patients, four studies: too few for a word
            report = f"{finding} in {MARK}name{number}{often}. {PHRASE}. study {study}."
            rows.append(
                {
                    "image": "" if number == 1 else name,
                    "notes": "" if number == 2 else report,
                    "patient": f"{MARK}-patient-{number}",
                    "study": f"{MARK}-study-{number}-{study}",
                    "Edema": int(finding == "edema"),
                }
            )
    rows.append(rows[9] | {"image": f"{MARK}-lost.png", "study": f"{MARK}-study-lost"})
    rows.append(rows[9])  # left out and listed: it repeats another
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


def test_the_search_finds_what_the_packed_data_set_holds(swept: Swept) -> None:
    found = marked(swept.shards, MARK)
    assert {"private/ids.csv", "private/dropped.csv"} <= set(found)
    assert [name for name in found if name.endswith(".parquet")]
    assert [name for name in marked(swept.shards, PHRASE) if name.endswith(".parquet")]
    assert {"mlflow.db", f"sweeps/{swept.sweep.id}/sweep.json"} <= set(marked(swept.store.root, swept.sweep.id))


def test_shards_hold_a_patients_words_and_no_id_or_path(swept: Swept) -> None:
    ids = [f"{MARK}-{what}" for what in ("patient", "study", "image", "folder", "lost")]
    assert [name for name in marked(swept.shards, *ids) if not name.startswith("private/")] == []
    beside = [name for name in marked(swept.shards, MARK, PHRASE) if not name.startswith("private/")]
    assert all(name.endswith(".parquet") for name in beside), beside


def test_the_sweep_used_everything_that_could_reveal_patients(swept: Swept) -> None:
    records = swept.store.read_cells(cell.key for cell in swept.sweep.cells)
    by_arm = {cell.arm: records[cell.key] for cell in swept.sweep.cells}
    assert {arm: record.status for arm, record in by_arm.items()} == dict.fromkeys(ARMS, "finished") | {
        "diverging": "failed"
    }
    assert set(by_arm["adapted"].stages) == {"image", "text"}
    written = {path.name for path in swept.store.root.rglob("*")}
    assert {"mlflow.db", "mlartifacts", "queries.parquet", "report.html", "report.md", "report.json"} <= written
    assert {"checkpoint", "record.json", "sweep.json", "tokenizers", "waited"} <= written
    assert len(list((swept.store.root / "mlartifacts").rglob("record.json"))) == 4 + 2


def test_the_store_and_mlflow_contain_nothing_of_a_patient(swept: Swept) -> None:
    assert marked(swept.store.root, MARK, PHRASE) == []


def test_the_gallery_is_the_only_output_with_texts_and_only_if_asked_for(
    swept: Swept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, store = tmp_path / "out", str(swept.store.root)
    asked = ["radsweep", "report", swept.sweep.id, "--store", store, "--out", str(out), "--show-examples"]
    monkeypatch.setattr(examples, "USUAL_CUT", 2)  # of few candidates
    monkeypatch.setattr("sys.argv", asked)
    with pytest.raises(SystemExit, match="0"):
        main()
    assert marked(out, MARK, PHRASE) == ["gallery.html"]
    assert marked(out, f"{MARK}-patient", f"{MARK}-study", f"{MARK}-image", f"{MARK}-folder") == []
    assert marked(swept.store.root, MARK, PHRASE) == []
    shown = capsys.readouterr()
    assert "Gallery: " in shown.out
    assert MARK not in shown.out + shown.err
    assert PHRASE not in shown.out + shown.err


def test_output_and_logs_contain_nothing_of_a_patient(swept: Swept, short_folder: Path) -> None:
    assert "diverging" in swept.said
    assert MARK not in swept.said
    assert PHRASE not in swept.said
    logs = (short_folder / "ray" / "session_latest").resolve() / "logs"
    assert marked(logs, MARK, PHRASE) == []
