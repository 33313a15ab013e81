from __future__ import annotations

import json
import logging
import shutil
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from sqlalchemy import Engine, event

from radsweep.errors import InputError
from radsweep.store.records import PlannedCell
from radsweep.tracking import run_fields
from radsweep.tracking.address import prepare
from radsweep.tracking.mirror import Mirror, spool_folder
from radsweep.tracking.reader import Reader
from radsweep.tracking.sender import replay

RECALL = "text_to_image/recall_at_10"


def database(store: Path) -> str:
    return f"sqlite:///{store / 'mlflow.db'}"


def runs_of(uri: str, experiment: str = "low-data") -> list[Any]:
    client = MlflowClient(uri)
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000))


def children(uri: str) -> dict[str, Any]:
    return {run.info.run_name: run for run in runs_of(uri) if run.data.tags["radsweep.role"] == "trial"}


def mirror_trial(mirror: Mirror, made: SimpleNamespace, cell: PlannedCell, **how: Any) -> None:
    mirror.start_trial(cell, made.trial(cell))
    record = made.record(cell, **how)
    for validation in record.history:
        mirror.validation(cell.key, validation)
    mirror.finish_trial(record)


def mirror_all(uri: str, store: Path, made: SimpleNamespace, cells: Iterable[PlannedCell]) -> int:
    with Mirror(uri, store, made.sweep()) as mirror:
        mirror.start_sweep()
        for cell in cells:
            mirror_trial(mirror, made, cell)
        mirror.finish_sweep(made.sweep("finished"), {}, None)
    return mirror.pending


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, template: Path, made: SimpleNamespace) -> str:
    """A database that a whole sweep was mirrored to."""
    store = tmp_path_factory.mktemp("whole")
    shutil.copy(template, store / "mlflow.db")
    assert mirror_all(database(store), store, made, made.sweep().cells) == 0
    return database(store)


def test_a_sweep_is_a_parent_run_and_each_trial_a_finished_child_run(whole: str) -> None:
    parents = [run for run in runs_of(whole) if run.data.tags["radsweep.role"] == "sweep"]
    trials = children(whole)
    assert len(parents) == 1
    assert len(trials) == 12
    assert {run.info.status for run in [*trials.values(), *parents]} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {parents[0].info.run_id}
    assert parents[0].data.params["train.batch_size"] == "64"


def test_a_trials_params_are_those_that_differ_between_trials(whole: str) -> None:
    trials = children(whole)
    assert trials["local + crop / 300 pairs / seed 2"].data.params == {
        "arm": "local + crop",
        "pairs": "300",
        "subset_seed": "2",
        "init_seed": "0",
        "objective.local.weight": "1.0",
        "augment.image.crop": "[0.8, 1.0]",
    }
    baseline = trials["baseline / 100 pairs / seed 1"].data.params
    assert baseline["objective.local.weight"] == "0.0"  # the arm does not set it; the column is filled anyway


def test_a_trials_metrics_are_at_its_optimiser_steps(whole: str, made: SimpleNamespace) -> None:
    run = children(whole)["baseline / 300 pairs / seed 1"]
    record = made.record(made.sweep().cells[3])
    logged = MlflowClient(whole).get_metric_history(run.info.run_id, f"val/{RECALL}")
    assert {(m.step, m.value) for m in logged} == {(v.step, v.metrics[f"val/{RECALL}"]) for v in record.history}
    assert len(logged) == len(record.history)
    assert run.data.metrics[f"best/{RECALL}"] == record.best[f"val/{RECALL}"]
    assert run.data.metrics[f"final/{RECALL}"] == record.final[f"test/{RECALL}"]
    assert run.data.metrics["converged"] == 0.0
    assert run.data.tags["radsweep.convergence"] == "still rising"
    assert run.data.metrics["seconds/total"] == 5.0


def test_a_failed_trial_has_its_error_and_is_in_no_mean(store: Path, made: SimpleNamespace) -> None:
    sweep = made.sweep()
    with Mirror(database(store), store, sweep) as mirror:
        mirror.start_sweep()
        mirror_trial(mirror, made, sweep.cells[0], status="failed", looks=2)
        mirror_trial(mirror, made, sweep.cells[1], status="stopped")
    trials = children(database(store))
    failed, stopped = (trials[f"baseline / 100 pairs / seed {seed}"] for seed in (1, 2))
    assert failed.info.status == "FAILED"
    assert failed.data.tags["radsweep.error"].startswith("the loss is NaN at step 40")
    assert f"best/{RECALL}" not in failed.data.metrics
    assert (stopped.info.status, stopped.data.tags["radsweep.status"]) == ("FINISHED", "stopped")


def test_report_and_experiment_file_are_in_the_store_whatever_the_folder(
    store: Path, made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.html").write_text("<p>table</p>")
    with Mirror(database(store), store, made.sweep()) as mirror:
        mirror.start_sweep()
        mirror.finish_sweep(made.sweep("finished"), {"arm/local + crop/300/mean": 0.5, "recall@10": 0.1}, report)
    (parent,) = runs_of(database(store))
    artifacts = {path.name: path for path in (store / "mlartifacts").rglob("*") if path.is_file()}
    assert set(artifacts) == {"report.html", "experiment.yaml"}
    assert yaml.safe_load(artifacts["experiment.yaml"].read_text()) == made.experiment().model_dump(mode="json")
    assert parent.data.metrics == {"arm/local and crop/300/mean": 0.5, "recall_at_10": 0.1}
    assert not list(elsewhere.iterdir())


def test_a_cell_that_fills_two_places_is_two_runs(store: Path, made: SimpleNamespace) -> None:
    first, second, *_ = made.sweep().cells
    sweep = made.sweep().model_copy(update={"cells": (first, second.model_copy(update={"key": first.key}))})
    with Mirror(database(store), store, sweep) as mirror:
        mirror.start_sweep()
        mirror.finish_trial(made.record(first))  # reused from an earlier sweep: it never started in this one
    trials = children(database(store))
    assert len(trials) == 2
    assert len({run.data.metrics[f"best/{RECALL}"] for run in trials.values()}) == 1


def test_reused_trials_wait_in_one_file_and_are_the_runs_that_they_would_be_one_by_one(
    store: Path, made: SimpleNamespace, whole: str
) -> None:
    sweep = made.sweep()
    away = f"http://127.0.0.1:{closed_port()}"
    with Mirror(away, store, sweep) as mirror:
        mirror.start_sweep()
        before = len(list(spool_folder(store, sweep.id).glob("*.json")))
        mirror.reuse_trials([(cell, made.record(cell), ()) for cell in sweep.cells])
        assert len(list(spool_folder(store, sweep.id).glob("*.json"))) == before + 1
    assert mirror.pending == 1 + len(sweep.cells)
    assert replay(spool_folder(store, sweep.id), database(store), store) == 1 + len(sweep.cells)
    reused, ran = children(database(store)), children(whole)
    assert reused.keys() == ran.keys()
    client, whole_client = MlflowClient(database(store)), MlflowClient(whole)
    own = {"mlflow.parentRunId", "mlflow.user"}
    for name, run in reused.items():
        assert run.data.params == ran[name].data.params
        assert run.data.metrics == ran[name].data.metrics
        tags, others = ({k: v for k, v in of.data.tags.items() if k not in own} for of in (run, ran[name]))
        assert tags == others
        assert (run.info.status, run.info.end_time - run.info.start_time) == ("FINISHED", 5000)  # when it truly ran
        curves = [
            [(m.step, m.value) for m in of.get_metric_history(of_run.info.run_id, f"val/{RECALL}")]
            for of, of_run in ((client, run), (whole_client, ran[name]))
        ]
        assert curves[0] == curves[1] != []


def test_a_batch_is_sent_without_the_entry_that_mlflow_refuses(store: Path, made: SimpleNamespace) -> None:
    sweep = made.sweep()
    spool = spool_folder(store, sweep.id)
    with Mirror(f"http://127.0.0.1:{closed_port()}", store, sweep) as mirror:
        mirror.reuse_trials([(cell, made.record(cell), ()) for cell in sweep.cells[:3]])
    (path,) = spool.glob("*.json")
    entries = json.loads(path.read_text())
    entries[1]["history"][0]["metrics"]["no: such? name*"] = 1.0
    path.write_text(json.dumps(entries))
    replay(spool, database(store), store)
    assert [json.loads(kept.read_text()) for kept in (spool / "refused").iterdir()] == [[entries[1]]]
    finished = [name for name, run in children(database(store)).items() if run.info.status == "FINISHED"]
    assert sorted(finished) == [f"baseline / 100 pairs / seed {seed}" for seed in (1, 3)]


def test_an_entry_of_an_older_spool_is_sent_too(store: Path, made: SimpleNamespace) -> None:
    sweep = made.sweep()
    spool = spool_folder(store, sweep.id)
    with Mirror(f"http://127.0.0.1:{closed_port()}", store, sweep) as mirror:
        mirror.finish_trial(made.record(sweep.cells[0]))
    (path,) = spool.glob("*.json")
    (entry,) = json.loads(path.read_text())
    path.unlink()
    (spool / "01795689183078654807-17.json").write_text(json.dumps(entry))  # one entry a file, without their number
    assert replay(spool, database(store), store) == 1
    assert [run.info.status for run in children(database(store)).values()] == ["FINISHED"]


def test_nothing_is_sent_while_paused(store: Path, made: SimpleNamespace) -> None:
    sweep = made.sweep()
    with Mirror(database(store), store, sweep) as mirror:
        with mirror.paused():
            mirror.start_sweep()
            mirror_trial(mirror, made, sweep.cells[0])
            time.sleep(2)
            waiting = mirror.pending
        assert waiting == 6
    assert mirror.pending == 0
    assert len(children(database(store))) == 1


def test_a_spool_sent_twice_leaves_the_same_runs(store: Path, made: SimpleNamespace, tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{closed_port()}"
    waiting = mirror_all(away, store, made, made.sweep().cells[:3])
    assert waiting == 2 + 3 * 5  # sweep's start and end; each trial's start, three validations and end
    spool = spool_folder(store, made.sweep().id)
    shutil.copytree(spool, tmp_path / "again")
    histories = []
    for folder in (spool, tmp_path / "again"):
        assert replay(folder, database(store), store) == waiting
        client = MlflowClient(database(store))
        histories.append(
            Counter(
                (run.info.run_id, run.info.status, m.key, m.step)
                for run in runs_of(database(store))
                for name in run.data.metrics
                for m in client.get_metric_history(run.info.run_id, name)
            )
        )
    assert histories[0] == histories[1]
    assert set(histories[0].values()) == {1}


def test_a_resumed_sweep_finds_its_runs_and_steps_again(store: Path, made: SimpleNamespace) -> None:
    sweep = made.sweep()
    cell = sweep.cells[0]
    with Mirror(database(store), store, sweep) as mirror:  # killed after a validation
        mirror.start_sweep()
        mirror.start_trial(cell, made.trial(cell))
        for validation in made.record(cell).history[:1]:
            mirror.validation(cell.key, validation)
    assert mirror_all(database(store), store, made, [cell]) == 0  # from the first validation on
    (run,) = children(database(store)).values()
    logged = MlflowClient(database(store)).get_metric_history(run.info.run_id, "train/loss")
    assert sorted(m.step for m in logged) == [20, 40, 60]
    assert len(runs_of(database(store))) == 2


def test_a_run_made_twice_by_a_lost_answer_is_one_again(store: Path, made: SimpleNamespace) -> None:
    cell = made.sweep().cells[0]
    mirror_all(database(store), store, made, [cell])
    (run,) = children(database(store)).values()
    client = MlflowClient(database(store))
    identity = {key: run.data.tags[key] for key in ("radsweep.sweep", "radsweep.cell", "radsweep.place")}
    client.create_run(run.info.experiment_id, run.info.start_time + 1, identity | {"radsweep.role": "trial"})
    mirror_all(database(store), store, made, [cell])
    assert [found.info.run_id for found in children(database(store)).values()] == [run.info.run_id]


def test_nothing_is_lost_or_doubled_when_the_server_dies_and_returns(
    server: Any, store: Path, made: SimpleNamespace, wait: Callable[[Callable[[], bool]], None]
) -> None:
    sweep = made.sweep()
    mirror = Mirror(server.uri, store, sweep)
    mirror.start_sweep()
    for cell in sweep.cells[:2]:
        mirror_trial(mirror, made, cell)
    wait(lambda: mirror.pending <= 6)  # in the middle of the second trial, or a little further
    server.kill()
    for cell in sweep.cells[2:4]:
        mirror_trial(mirror, made, cell)
    assert mirror.pending >= 10
    server.start()
    for cell in sweep.cells[4:6]:
        mirror_trial(mirror, made, cell)
    mirror.finish_sweep(made.sweep("finished"), {}, None)
    assert mirror.close(timeout=120) == 0
    trials = children(server.uri)
    assert len(trials) == 6
    assert len(runs_of(server.uri)) == 7
    for run in trials.values():
        logged = MlflowClient(server.uri).get_metric_history(run.info.run_id, "train/loss")
        assert sorted(m.step for m in logged) == [20, 40, 60]


def test_files_come_back_through_a_server_that_keeps_them(
    server: Any, store: Path, made: SimpleNamespace, tmp_path: Path
) -> None:
    sweep = made.sweep().model_copy(update={"id": "20261125-c3d4"})
    cell = sweep.cells[0]
    for name in ("sweep.json", "record.json", "queries.parquet", "queries-other.parquet"):
        (store / name).write_text(name)
    with Mirror(server.uri, store, sweep) as mirror:
        mirror.start_sweep([store / "sweep.json"])
        mirror.finish_trial(made.record(cell), sorted(store.glob("[rq]*.*")))
    assert mirror.pending == 0
    own, trial = Reader(server.uri).find("low-data")
    assert (own.cell, own.ended, trial.cell, trial.ended) == ("", False, cell.key, True)
    patterns = ("record.json", "queries*.parquet")
    assert Reader(server.uri).download(own, patterns, tmp_path / "none") == []
    assert Reader(server.uri).download(own, ("sweep.json",), tmp_path / "sweep") == ["sweep.json"]
    found = Reader(server.uri).download(trial, patterns, tmp_path / "cell")
    assert found == ["queries-other.parquet", "queries.parquet", "record.json"]
    assert {path.name: path.read_text() for path in (tmp_path / "cell").iterdir()} == {name: name for name in found}


def test_files_that_a_resumed_sweep_no_longer_recommends_are_deleted_from_the_server(
    server: Any, store: Path, made: SimpleNamespace, tmp_path: Path
) -> None:
    sweep = made.sweep().model_copy(update={"id": "20261126-e5f6", "name": "resumed"})
    first, last = sweep.cells[0], sweep.cells[-1]
    report = tmp_path / "report"
    (report / "winner").mkdir(parents=True)
    for name in ("report.html", "best.yaml", "candidate.yaml", "winner/model.safetensors"):
        (report / name).write_text(name)
    for best, candidate, stale in ((first, last, ()), (last, None, ("candidate.yaml", "winner/model.safetensors"))):
        for name in stale:
            (report / name).unlink()
        if stale:
            (report / "winner").rmdir()
        with Mirror(server.uri, store, sweep) as mirror:
            mirror.start_sweep()
            mirror.finish_sweep(sweep, {}, report, (), best, candidate)
        assert mirror.pending == 0
        (run,) = runs_of(server.uri, "resumed")
        files = {file.path for file in MlflowClient(server.uri).list_artifacts(run.info.run_id)}
        assert files == {"experiment.yaml", *(path.name for path in report.iterdir())}
        names = {"radsweep.best": best, "radsweep.candidate": candidate}
        for tag, cell in names.items():
            named = f"{cell.arm} / {cell.pairs} pairs / seed {cell.subset_seed}" if cell else "none"
            assert run.data.tags[tag] == named


def test_an_unreachable_mlflow_is_one_line_without_secrets(
    store: Path, made: SimpleNamespace, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = f"http://ann:s3cret@127.0.0.1:{closed_port()}"
    with caplog.at_level(logging.INFO):
        mirror = Mirror(uri, store, made.sweep())
        mirror.start_sweep()
        mirror_trial(mirror, made, made.sweep().cells[0])
        assert mirror.close() == 6
    told = [entry.getMessage() for entry in caplog.records if entry.name.startswith("radsweep")]
    assert len(told) == 2
    assert "cannot be reached; results wait in" in told[0]
    assert told[1].startswith("6 MLflow entries wait in")
    assert "s3cret" not in caplog.text + "".join(capfd.readouterr())
    with pytest.raises(InputError, match="cannot be reached") as raised:
        replay(spool_folder(store, made.sweep().id), uri, store)
    assert "s3cret" not in str(raised.value)


def test_a_full_database_is_one_line_and_gets_everything_once_there_is_space(
    store: Path, made: SimpleNamespace, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    pages = 1  # at most; SQLite takes what it has already for the least

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    uri = prepare(database(store), store)
    event.listen(Engine, "checkout", limit)
    try:
        assert mirror_all(uri, store, made, made.sweep().cells) > 0
        said = caplog.text + "".join(capfd.readouterr())
        pages = 1_000_000
        replay(spool_folder(store, made.sweep().id), uri, store)
    finally:
        event.remove(Engine, "checkout", limit)
    assert said.count("has a full disk (free space there); results wait in") == 1
    assert "Traceback" not in said
    assert {run.info.status for run in children(uri).values()} == {"FINISHED"}
    assert len(children(uri)) == len(made.sweep().cells)


def test_an_entry_that_mlflow_refuses_does_not_hold_up_the_others(
    store: Path, made: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spool_folder(store, made.sweep().id)
    mirror_all(f"http://127.0.0.1:{closed_port()}", store, made, made.sweep().cells[:1])
    path = sorted(spool.glob("*.json"))[3]
    (entry,) = json.loads(path.read_text())
    entry["history"][0]["metrics"]["no: such? name*"] = 1.0
    path.write_text(json.dumps([entry]))
    replay(spool, database(store), store)
    assert [json.loads(kept.read_text()) for kept in (spool / "refused").iterdir()] == [[entry]]
    assert not list(spool.glob("*.json"))
    (run,) = children(database(store)).values()
    assert run.info.status == "FINISHED"


def test_a_spool_names_files_of_the_store_and_sends_them_after_the_store_has_moved(
    store: Path, made: SimpleNamespace, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    cell = made.sweep().cells[0]
    files = [old / "cells" / cell.key / name for name in ("record.json", "queries.parquet")]
    files[0].parent.mkdir(parents=True)
    files[0].write_text("before")
    with Mirror(f"http://127.0.0.1:{closed_port()}", old, made.sweep()) as mirror:
        mirror.start_sweep()
        mirror.finish_trial(made.record(cell), files)
    files[0].write_text("a longer record than any entry, " * 1000)
    assert max(path.stat().st_size for path in spool_folder(old, made.sweep().id).glob("*.json")) < 30_000
    shutil.copytree(old, store / "moved")
    shutil.copy(store / "mlflow.db", store / "moved")
    shutil.rmtree(old)
    moved = store / "moved"
    replay(spool_folder(moved, made.sweep().id), database(moved), moved)
    (run,) = children(database(moved)).values()
    client = MlflowClient(database(moved))
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["record.json"]
    sent = client.download_artifacts(run.info.run_id, "record.json", str(tmp_path))
    assert Path(sent).read_text().startswith("a longer record")


def view(uri: str, name: str) -> dict[str, Any]:
    tags = MlflowClient(uri).get_experiment_by_name("low-data").tags
    state: dict[str, Any] = json.loads(json.loads(tags[f"mlflow.sharedViewState.radsweep-{name}"])["state"])
    return state


def test_the_saved_views_show_this_sweeps_trials_their_mean_and_all_sweeps(whole: str) -> None:
    client = MlflowClient(whole)
    experiment = client.get_experiment_by_name("low-data").experiment_id

    def roles(name: str) -> Counter[str]:
        found = client.search_runs([experiment], view(whole, name)["searchFilter"])
        return Counter(run.data.tags["radsweep.role"] for run in found)

    assert roles("trials") == roles("arms") == {"trial": 12}
    assert roles("sweeps") == {"sweep": 1, "trial": 12}
    assert [key["groupByData"] for key in view(whole, "arms")["groupBy"]["groupByKeys"]] == ["arm", "pairs"]


def test_arm_pairs_seed_and_best_and_final_results_are_the_first_columns_and_runs_fill_them(whole: str) -> None:
    columns = view(whole, "trials")["selectedColumns"]
    assert columns[1:6] == ["params.`arm`", "params.`pairs`", "params.`subset_seed`", f"metrics.`best/{RECALL}`",
                            f"metrics.`final/{RECALL}`"]  # fmt: skip
    assert columns == view(whole, "sweeps")["columnOrder"]
    assert columns[4:] == [*view(whole, "arms")["columnOrder"][2:-1], *columns[9:]]
    for run in children(whole).values():
        has = {"attributes.`Run Name`", *(f"params.`{name}`" for name in run.data.params)}
        has |= {f"metrics.`{name}`" for name in run.data.metrics} | {f"tags.`{name}`" for name in run.data.tags}
        assert set(columns) <= has


def test_init_seeds_are_a_column_if_a_subset_has_several_and_searches_show_the_varied_keys(
    made: SimpleNamespace,
) -> None:
    sweep = made.sweep()
    starts = [cell.model_copy(update={"init_seed": seed}) for cell in sweep.cells for seed in (0, 1)]
    assert run_fields.places(sweep) == ["arm", "pairs", "subset_seed"]
    several = sweep.model_copy(update={"cells": tuple(starts)})
    assert run_fields.places(several) == ["arm", "pairs", "subset_seed", "init_seed"]
    folds = sweep.model_copy(update={"cells": tuple(cell.model_copy(update={"fold": 1}) for cell in sweep.cells)})
    assert run_fields.places(folds) == ["arm", "pairs", "subset_seed", "fold"]
    space = {"data.pairs": {"choice": [100, 300]}, "train.learning_rate": {"choice": [0.1]}}
    search = sweep.model_copy(update={"cells": (), "experiment": sweep.experiment | {"search": {"space": space}}})
    assert run_fields.places(search) == ["pairs"]
    assert run_fields.varying(search) == ["train.learning_rate"]
