"""The plan of a sweep is printed, and nothing is started or written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from radsweep.config.load import load_experiment, trial_with
from radsweep.config.stages import stages_of
from radsweep.data.loading.decode import read_index
from radsweep.data.phantom import write_phantom
from radsweep.data.phantom.images import encode_png
from radsweep.data.shards.dataset import read_manifest, write_dataset
from radsweep.data.shards.schema import Image, Study
from radsweep.data.text.tokenizer import load_tokenizer, train_tokenizer
from radsweep.store.records import CellRecord
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.sweep.identity.cell_key import cell_key

ARMS: dict[str, Any] = {"baseline": {}, "same": {"objective.local.weight": 0}, "local": {"objective.local.weight": 1}}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    studies = {"pairs": 24, "validation": 60, "test": 60, "unpaired_images": 0, "unpaired_reports": 0}
    write_phantom(tmp_path / "shards", **studies)
    whole = {
        "experiment": "dry",
        "data": {"shards": str(tmp_path / "shards")},
        "train": {"batch_size": 8, "max_steps": 500},
        "ablation": {"arms": ARMS, "pairs": [16, 24], "seeds": 2},
        "run": {"slots": 1},
    }
    path = tmp_path / "dry.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def dry_run(run: Callable[..., Any], file: Path, *more: str) -> dict[str, Any]:
    ended = run("sweep", file, "--dry-run", "--json", *more)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_trials_are_counted_by_arm_and_size_and_nothing_is_written(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    found = dry_run(run, file)
    assert (found["trials"], found["distinct"], found["done"]) == (12, 8, 0)
    assert {(row["arm"], row["pairs"]): (row["replicates"], row["trials"]) for row in found["rows"]} == {
        (arm, size): (2, 2) for arm in ARMS for size in (16, 24)
    }
    assert found["estimate"] is None
    assert "--calibrate" in found["no_estimate"]
    ended = run("sweep", file, "--dry-run")
    assert "Nothing was started, nothing was written." in ended.out
    assert everything(tmp_path) == before


def test_trials_in_the_store_are_done_and_give_the_estimate(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    experiment = load_experiment(file)
    source = experiment.data.model_copy(update={"source": "cached"})
    experiment = experiment.model_copy(update={"data": source})
    fingerprint = read_manifest(tmp_path / "shards").fingerprint
    cells = plan_cells(experiment, lambda trial: cell_key(trial, fingerprint, "cpu"))
    store = Store(tmp_path / "store")
    for cell in cells:
        if cell.subset_seed == 0:
            trial = cell_trial(experiment.trial(), cell).model_dump(mode="json")
            steps, seconds = 4, {"total": 36.0 if cell.arm == "local" else 18.0}
            done = CellRecord(
                key=cell.key, trial=trial, status="finished", pairs=cell.pairs or 0, steps=steps, seconds=seconds,
                final={"test/x": 1.0},
            )  # fmt: skip
            store.write_cell(done)
    found = dry_run(run, file)
    assert (found["distinct"], found["done"]) == (8, 4)
    assert {row["done"] for row in found["rows"]} == {1}
    assert found["estimate"]["wall_seconds"] == pytest.approx(2 * 18 + 2 * 36)
    assert found["estimate"]["compute_hours"] == pytest.approx(108 / 3600)
    assert found["estimate"]["unit"] == "CPU hours"
    assert not found["estimate"]["at_most"]


def test_a_calibration_times_steps_of_each_arm_and_gives_an_upper_bound(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    found = dry_run(run, file, "--calibrate", "--set", "ablation.pairs=[16]")
    assert found["estimate"]["wall_seconds"] > 0
    assert found["estimate"]["at_most"], "a run until its plateau may end earlier"
    assert all("calibration" in source for source in found["estimate"]["sources"])
    assert everything(tmp_path) == before


def test_stages_are_listed_with_the_trials_that_share_them(run: Callable[..., Any], file: Path) -> None:
    arms = "{adapt.image.method: simclr}, both: {adapt.image.method: simclr, objective.local.weight: 1}}"
    arms = f"ablation.arms={{baseline: {{}}, adapted: {arms}"
    found = dry_run(run, file, "--set", arms)
    assert [(stage["name"], stage["trials"], stage["done"]) for stage in found["stages"]] == [("image", 8, False)]


def test_a_stage_takes_what_an_earlier_one_of_another_seed_and_length_took(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    changes = ("--set", "ablation.arms={baseline: {}, adapted: {adapt.image.method: simclr}}", "--set", "run.slots=1")
    (stage,) = dry_run(run, file, *changes)["stages"]
    assert stage["seconds"] is None
    experiment = load_experiment(file)
    adapted = {"adapt.image.method": "simclr", "adapt.image.epochs": 5, "adapt.image.seed": 3}
    spec = stages_of(trial_with(experiment.trial(), adapted))["image"].model_dump(mode="json")
    store, fingerprint = Store(tmp_path / "store"), read_manifest(tmp_path / "shards").fingerprint
    finished: dict[str, Any] = {"trial": spec, "status": "finished", "seconds": {"total": 20.0}}
    store.write_stage(CellRecord(key="before", data=fingerprint, **finished))
    store.write_stage(CellRecord(key="other", data="another data set", **finished | {"seconds": {"total": 900.0}}))
    changes = (*changes, "--set", "adapt.image.epochs=15")
    (stage,) = dry_run(run, file, *changes)["stages"]
    assert stage["seconds"] == pytest.approx(60)
    for cell in plan_cells(experiment, lambda trial: trial.model_dump_json())[:1]:
        trial = cell_trial(experiment.trial(), cell).model_dump(mode="json")
        store.write_cell(CellRecord(key="cell", trial=trial, status="finished", steps=4, seconds={"total": 0.0}))
    found = dry_run(run, file, *changes)
    assert found["estimate"]["wall_seconds"] == pytest.approx(60)
    assert found["estimate"]["sources"]["earlier runs of such stages"] == 1
    assert not any("no earlier run" in note for note in found["notes"])


def test_the_final_trials_of_a_tuned_ablation_are_counted_and_timed(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    tune = "ablation.tune={trials: 3, space: {train.learning_rate: {loguniform: [1.0e-5, 1.0e-3]}}}"
    changes = ("--set", tune, "--set", "ablation.pairs=[16]", "--set", "ablation.seeds=10")
    trial = trial_with(load_experiment(file).trial(), {"data.pairs": 16}).model_dump(mode="json")
    done = CellRecord(key="x", trial=trial, status="finished", pairs=16, steps=500, seconds={"total": 6.0})
    Store(tmp_path / "store").write_cell(done)
    found = dry_run(run, file, *changes)
    assert found["trials"] == 3 * 3 * 10 + 3 * 10
    assert {row["arm"]: (row["tuning"], row["trials"]) for row in found["rows"]} == dict.fromkeys(ARMS, (30, 10))
    assert found["distinct"] == 2 * 3 * 10 + 2 * 10  # two arms are one configuration
    assert sum(found["estimate"]["sources"].values()) == 80
    assert found["estimate"]["wall_seconds"] == pytest.approx(80 * 6)


@pytest.mark.parametrize("repeat", ["each_replicate", "once"])
def test_the_costs_of_tuning_in_each_replicate_and_of_tuning_once_are_both_shown(
    run: Callable[..., Any], file: Path, tmp_path: Path, repeat: str
) -> None:
    space = "{train.learning_rate: {loguniform: [1.0e-5, 1.0e-3]}}"
    tune = f"ablation.tune={{trials: 3, repeat: {repeat}, space: {space}}}"
    changes = ("--set", tune, "--set", "ablation.pairs=[16]", "--set", "ablation.seeds=4")
    trial = trial_with(load_experiment(file).trial(), {"data.pairs": 16}).model_dump(mode="json")
    record = CellRecord(key="x", trial=trial, status="finished", pairs=16, steps=500, seconds={"total": 6.0})
    Store(tmp_path / "store").write_cell(record)
    costs = {cost["repeat"]: cost for cost in dry_run(run, file, *changes)["tuning"]}
    assert {name: cost["trials"] for name, cost in costs.items()} == {"each_replicate": 3 * 3 * 4, "once": 3 * 3}
    assert [name for name, cost in costs.items() if cost["chosen"]] == [repeat]
    for name, distinct in (("each_replicate", 24), ("once", 6)):  # two arms are one configuration
        assert costs[name]["estimate"]["wall_seconds"] == pytest.approx(distinct * 6)
    lines = run("sweep", file, "--dry-run", *changes).out.splitlines()
    costs_said = [line for line in lines if line.startswith(("Tuning: ", "Instead: "))]
    assert [line.split(",")[0] for line in costs_said] == [
        f"Tuning: {repeat}",
        f"Instead: {next(n for n in costs if n != repeat)}",
    ]
    (once,) = [line for line in costs_said if ": once," in line]
    assert once.endswith("; claims speak of the tuned values only, and luck in tuning is in no interval")
    assert ": once, 9 trials, at most 36 s, at most " in once


def test_a_plateau_that_cannot_be_reached_is_refused_with_the_numbers(run: Callable[..., Any], file: Path) -> None:
    ended = run("sweep", file, "--dry-run", "--set", "train.max_steps=100")
    assert ended.code == 2
    assert "train.max_steps: 16 pairs cannot reach a plateau: of at most 100 steps, 10 are warm-up" in ended.err
    assert "Allow 420 steps" in ended.err


def test_a_data_set_on_demand_is_not_made(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    before = everything(tmp_path)
    found = dry_run(run, file, "--set", "data.shards=phantom:standard-300")
    assert found["trials"] == 12
    assert "does not exist yet" in found["notes"][0]
    assert everything(tmp_path) == before


def test_errors_that_would_stop_a_sweep_are_listed_with_the_plan(run: Callable[..., Any], file: Path) -> None:
    ended = run("sweep", file, "--dry-run", "--json", "--set", "ablation.pairs=[16, 25]", "--set", "run.slots=500")
    assert ended.code == 2
    assert json.loads(ended.out)["trials"] == 12
    pairs, slots = ended.err.splitlines()
    assert pairs.startswith(f"radsweep: {file}: data.pairs: 25 training studies were asked for")
    assert slots.startswith(f"radsweep: {file}: run.slots: the cluster has room for")
    refused = [line.removeprefix(f"{file}: ") for line in json.loads(ended.out)["refused"]]
    assert [line.split(":")[0] for line in refused] == ["data.pairs", "run.slots"]


def test_calibrate_without_dry_run_is_refused(run: Callable[..., Any], file: Path) -> None:
    ended = run("sweep", file, "--calibrate")
    assert ended.code == 2
    assert "--dry-run" in ended.err


def test_a_search_has_no_cells_yet(run: Callable[..., Any], tmp_path: Path, file: Path) -> None:
    search = {"trials": 7, "space": {"train.learning_rate": {"loguniform": [1e-5, 1e-3]}}}
    whole = {key: value for key, value in yaml.safe_load(file.read_text()).items() if key != "ablation"}
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(whole | {"search": search}))
    found = dry_run(run, tmp_path / "search.yaml")
    assert (found["kind"], found["trials"], found["distinct"]) == ("search", 7, None)


@pytest.mark.parametrize(
    ("budget", "slots", "wall"),
    [({"hours": 3}, 2, 3), ({"slot_hours": 3}, 2, 1.5), ({"hours": 1, "slot_hours": 3}, 2, 1)],
)
def test_a_search_without_a_number_of_trials_uses_its_budget(
    run: Callable[..., Any], tmp_path: Path, file: Path, budget: dict[str, Any], slots: int, wall: float
) -> None:
    search = budget | {"space": {"train.learning_rate": {"loguniform": [1e-5, 1e-3]}}}
    whole = {key: value for key, value in yaml.safe_load(file.read_text()).items() if key != "ablation"}
    whole["run"] = {"slots": slots}
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(whole | {"search": search}))
    found = dry_run(run, tmp_path / "search.yaml")
    assert found["trials"] is None
    assert found["estimate"]["wall_seconds"] == pytest.approx(wall * 3600)
    assert found["estimate"]["compute_hours"] == pytest.approx(wall * slots)
    assert found["estimate"]["at_most"]
    assert "Trials: as many as its hours allow" in run("sweep", tmp_path / "search.yaml", "--dry-run").out


def test_row_8_reports_that_are_cut_are_counted_for_each_tokenizer_and_length(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    shards = read_index(tmp_path / "shards")
    rows = list(zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True))
    arms = {
        "baseline": {},
        "short": {"model.text.max_tokens": 16},
        "tail": {"model.text.max_tokens": 16, "model.text.truncation": "tail"},
        "small": {"model.text.vocabulary": 100},
    }
    found = dry_run(run, file, "--set", f"ablation.arms={json.dumps(arms)}")
    texts = [text for reports in shards.reports.values() for text in reports]
    expected = []
    for vocabulary, length, kept in ((8000, 128, "head"), (8000, 16, "head"), (8000, 16, "tail"), (100, 128, "head")):
        backend = load_tokenizer(train_tokenizer(rows, vocabulary)).backend
        cut = lost = 0
        for text in texts:
            impression = text.find("IMPRESSION:")
            places = [end > impression for _, end in backend.encode(text, add_special_tokens=False).offsets]
            cut += len(places) > length - 2
            lost += impression >= 0 and not any(places[: length - 2] if kept == "head" else places[2 - length :])
        assert cut > 0
        expected.append(
            f"With tiny-bert, {cut} of {len(texts)} reports are cut, and {lost} lose their whole impression "
            f"at {length} tokens (model.text.truncation: {kept})."
        )
    assert [note for note in found["notes"] if "are cut" in note] == expected


def test_row_8_impression_first_is_refused_if_no_impression_is_known(
    run: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    png = encode_png(np.zeros((8, 8), np.uint8))
    splits = ("train",) * 24 + ("validation",) * 40 + ("test",) * 40
    studies = [
        Study(f"s{number}", f"p{number}", split, f"Clear.\n\nNo {number}.", (Image("i", png, ""),))
        for number, split in enumerate(splits)
    ]
    write_dataset(tmp_path / "plain", studies, name="plain", source={}, dropped={})
    shards = f"data.shards={tmp_path / 'plain'}"
    ended = run("sweep", file, "--dry-run", "--set", shards, "--set", "model.text.truncation=impression_first")
    assert ended.code == 2
    assert "model.text.truncation: impression_first needs to know where an impression begins" in ended.err
    assert "the reports of plain have no sections" in ended.err
    assert dry_run(run, file, "--set", shards, "--set", "model.text.truncation=tail")["refused"] == []
