"""A sweep from its experiment to its report: check, prepare once, run what is not there yet, settle, tell."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from radsweep.data.decode import read_index
from radsweep.data.schema import SPLITS
from radsweep.data.subsets import subset_size
from radsweep.errors import InputError
from radsweep.evaluation.queries import Queries
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Trial
from radsweep.sweep import cluster
from radsweep.sweep.code import code_fingerprint, git_commit, versions
from radsweep.sweep.engine import Engine
from radsweep.sweep.identity import cell_key
from radsweep.sweep.locks import Lease
from radsweep.sweep.plan import cell_trial, folds_of, plan
from radsweep.sweep.preflight import check_experiment, possible_trials
from radsweep.sweep.progress import Console
from radsweep.sweep.questions import latest_unfinished, question_key
from radsweep.sweep.reach import check_nodes, check_room
from radsweep.sweep.results import Ending, how_it_ended, is_complete, statistics, winner
from radsweep.sweep.searched import check_search
from radsweep.sweep.sources import Preparations, check_shards, check_sizes, data_card, dataset_folder, source_for
from radsweep.sweep.store import Store, store_folder
from radsweep.sweep.study import open_storage, storage_url
from radsweep.sweep.tasks import check_tasks
from radsweep.sweep.watch import Watch
from radsweep.tracking.address import prepare, sanitise_uri, tracking_uri
from radsweep.tracking.mirror import Mirror
from radsweep.training.record import CellRecord, SweepRecord
from radsweep.training.task import now

# a search over these may ask for any study of the training split
SUBSETS_OR_FEATURES = ("data.", "model.image.freeze", "augment.image.")
Records = Mapping[str, CellRecord]
WriteReport = Callable[[Path, SweepRecord, Records, Queries, Records], tuple[Path, Mapping[str, float]]]


def run_sweep(
    experiment: Experiment, where: str, write_report: WriteReport, resume: bool = False, console: Console | None = None
) -> SweepRecord:
    """Run what the experiment asks for; when this returns its records, MLflow runs and report are there.

    Args:
        where: the experiment file, for messages.
        write_report: makes the report of a sweep in a folder, from its cells, their queries and their stages; gives
            the page and the statistics for MLflow.
        resume: go on with the latest sweep of the same experiment.

    Raises:
        InputError: what a user can put right; no trial has started then.
    """
    console = console or Console()
    store = Store(store_folder(experiment.run.store))
    check_experiment(experiment, where)
    uri = tracking_uri(experiment.run.tracking_uri, store.root)
    previous = latest_unfinished(store, experiment, where, resume, console)
    store.check_writable(f"{where}: run.store")
    with Lease(store.root / "leases", question_key(experiment)).taken(where):
        return _run(experiment, where, write_report, previous, uri, store, console)


def _run(
    experiment: Experiment,
    where: str,
    write_report: WriteReport,
    previous: SweepRecord | None,
    uri: str,
    store: Store,
    console: Console,
) -> SweepRecord:
    began = time.monotonic()
    base = experiment.trial()
    cluster.connect()
    console.say(f"Store: {store.root}")
    shards = read_index(dataset_folder(base.data.shards, store, console), () if base.data.folds else SPLITS)
    check_shards(shards)
    preparations = Preparations(shards, store, console)
    if base.data.folds:  # what the manifest could not tell
        trials = possible_trials(experiment)
        check_sizes(trials, where, lambda trial: len(preparations.shards_of(trial).splits["train"]))
    if base.data.source == "cached" or base.data.folds:
        check_room(list(possible_trials(experiment)), shards, cluster.object_store(), where)
    if base.data.source == "auto":  # from here on it says which: the order within an epoch differs
        source = source_for(possible_trials(experiment), shards, cluster.object_store())
        experiment = experiment.model_copy(update={"data": base.data.model_copy(update={"source": source})})
        base = experiment.trial()
    streamed = base.data.source == "streamed"
    check_nodes(store.root, [shards.folder, *map(Path, base.evaluate.sets)], where)
    for values in folds_of(base):
        check_tasks(base.evaluate, preparations.shards_of(trial_with(base, values)), "test", streamed, where)
    if streamed and any(trial.adapt.image.method != "none" for trial in possible_trials(experiment)):
        raise InputError(
            f"{where}: adapt.image: its images have to fit the object store, and they are streamed here; set "
            "data.source to cached, model.image.size lower, or adapt.image.method to none"
        )
    room = cluster.room(experiment.run, base)
    if experiment.search is not None:
        pairs = subset_size(len(shards.splits["train"]), base.data.pairs, base.data.fraction)
        check_search(experiment.search, pairs, room.gpus, where)

    def key_of(trial: Trial) -> str:
        return cell_key(trial, shards.manifest.fingerprint, room.device)

    cells = plan(experiment, key_of)
    sweep = previous or _new_sweep(experiment)
    storage = None
    if experiment.search is not None and not cells:
        storage = open_storage(storage_url(experiment.run.optuna_storage, store.sweep_folder(sweep.id)))
    fresh = {"status": "running", "code": code_fingerprint(), "git_commit": git_commit(), "versions": versions()}
    data = {"data": data_card(shards.manifest), "cells": tuple(cells) or sweep.cells}
    sweep = sweep.model_copy(update=fresh | data)
    store.write_sweep(sweep)
    read_test = experiment.search is None  # a search reads it for its winner alone, below
    known = {
        cell.key: record for cell in cells if (record := store.read_cell(cell.key)) and is_complete(record, read_test)
    }
    expected = len(cells) if cells or experiment.search is None else experiment.search.most_trials or 0
    with Mirror(prepare(uri, store.root), store.root, sweep) as mirror:
        mirror.start_sweep([store.sweep_file(sweep.id)])
        distinct = len({cell.key for cell in cells}) or expected  # an arm may be another under a second name
        watch = Watch(store, mirror, console, sweep, distinct)
        engine = Engine(store, sweep, base, room, preparations, key_of, watch)
        status: Ending = "failed"
        try:
            for cell in cells:
                if cell.key in known:
                    watch.known(cell, known[cell.key])
            todo = list({cell.key: cell for cell in cells if cell.key not in known}.values())
            asked = experiment.search if experiment.search and not cells else None
            if todo:
                preparations.make([cell_trial(base, cell) for cell in todo])
                stages = engine.stages(todo)
                for stage in stages:
                    if (record := store.read_stage(stage.key)) and record.status == "finished":
                        watch.known(stage, record)
                with watch.bar():
                    engine.run_cells(todo, read_test, [stage for stage in stages if stage.key not in watch.stages])
            elif asked:
                preparations.make(
                    possible_trials(experiment), any(key.startswith(SUBSETS_OR_FEATURES) for key in asked.space)
                )
                with watch.bar():
                    cells, ended_by = engine.run_search(asked, storage)
                expected = len(cells) + (ended_by == "")  # some were cut short
                sweep = sweep.model_copy(update={"ended_by": ended_by})
                console.say(f"The search ended: {ended_by}" if ended_by else "The search was cut short")
            watch.settle(cells)
            status = how_it_ended(cells, watch.ended, expected)
            best = winner(cells, watch.ended, sweep.select)
            if best is not None and not read_test and status != "interrupted":
                console.say("Reading the test split for the winner")
                trial = cell_trial(base, best)
                if preparations.key(trial) not in preparations.made:
                    preparations.make([trial])
                from radsweep.sweep.winner import read_test_split  # PyTorch, which only a search's end needs here

                record = read_test_split(
                    store,
                    best,
                    preparations.references[preparations.key(trial)],
                    room,
                    lambda: engine.run_cells([best], read_test=True),
                )
                if record is not None:
                    watch.again(record)
            if base.evaluate.against and status != "interrupted":
                from radsweep.sweep.references import measure_references  # PyTorch, as above

                measured = measure_references(base, preparations.shards_of, store, room, console)
                sweep = sweep.model_copy(update={"references": tuple(cell for cell, _ in measured)})
                for cell, record in measured:
                    watch.reference(cell, record)
        except KeyboardInterrupt:
            status = "interrupted"
        if status == "interrupted":
            why = f" ({watch.interruption.reason})" if watch.interruption.reason else ""
            console.say(f"Interrupted{why}. What is finished is kept; `radsweep sweep {where} --resume` goes on.")
        watch.settle(cells)
        sweep = sweep.model_copy(
            update={
                "cells": tuple(cells),
                "stages": watch.settle_stages(),
                "status": status,
                "ended": now(),
                "cost": _cost(watch, preparations, room, time.monotonic() - began),
            }
        )
        store.write_sweep(sweep)
        folder, evidence = finish(store, sweep, write_report)
        mirror.finish_sweep(sweep, {**statistics(sweep, watch.ended), **evidence}, folder, [store.sweep_file(sweep.id)])
    return sweep


def finish(store: Store, sweep: SweepRecord, write_report: WriteReport) -> tuple[Path, Mapping[str, float]]:
    """The report and the winner's checkpoint in the sweep's folder, and statistics; other checkpoints are let go."""
    folder = store.report_folder(sweep)
    records = store.read_records(sweep)
    _, evidence = write_report(folder, sweep, records, store.read_queries, store.read_stages_of(records))
    best = winner(sweep.cells, records, sweep.select)
    if best is not None:
        source = store.cell_folder(best.key) / "checkpoint"
        if source.is_dir():
            shutil.rmtree(folder / "winner", ignore_errors=True)
            shutil.copytree(source, folder / "winner", copy_function=os.link)
    for cell in sweep.cells:
        if best is None or cell.key != best.key:
            store.forget_checkpoint(cell.key)
    return folder, evidence


def _new_sweep(experiment: Experiment) -> SweepRecord:
    arms = experiment.ablation.designed_arms(experiment.trial()) if experiment.ablation else {}
    unchanged = [arm for arm, changes in arms.items() if not changes]
    asked = experiment.model_dump(mode="json", exclude_none=True)
    for key in {"tracking_uri", "optuna_storage"} & asked["run"].keys():  # MLflow shows the record: no password
        asked["run"][key] = sanitise_uri(asked["run"][key])
    return SweepRecord(
        id=f"{experiment.experiment}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}",
        name=experiment.experiment,
        kind="ablation" if experiment.ablation else "search" if experiment.search else "train",
        experiment=asked,
        select=experiment.evaluate.select,
        cells=(),
        baseline=(unchanged or [next(iter(arms), "")])[0],
        created=now(),
    )


def _cost(watch: Watch, preparations: Preparations, room: cluster.Room, seconds: float) -> dict[str, float]:
    return {
        "wall_seconds": round(seconds, 1),
        "trial_seconds": round(sum(record.seconds.get("total", 0.0) for record in watch.ended.values()), 1),
        "trials_run": sum(watch.counts.values()) - watch.counts["reused"],
        "trials_reused": watch.counts["reused"],
        "trials_failed": watch.counts["failed"],
        "adaptation_seconds": round(sum(watch.adapted.values()) - watch.adapted["reused"], 1),
        "adaptation_reused_seconds": round(watch.adapted["reused"], 1),
        "images_decoded": preparations.decoded,
        "slots": room.slots,
    }
