"""A sweep from its experiment to its report: check, prepare once, run what is not there yet, settle, tell."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from radsweep.cluster import capacity
from radsweep.cluster.connect import connect
from radsweep.cluster.versions import versions
from radsweep.config.experiment import Experiment
from radsweep.console import Console
from radsweep.report.render.write import write_report
from radsweep.store.archive import archive_place, open_store
from radsweep.store.locks import Lease
from radsweep.store.records import SweepRecord, now
from radsweep.store.selection import Ending, Selection, how_it_ended, statistics
from radsweep.store.store import Store
from radsweep.sweep.checkpoints import forget_checkpoints, link_winner
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.design.cells import ablation_cells, plan
from radsweep.sweep.engine import Engine
from radsweep.sweep.identity.code import code_fingerprint, git_commit
from radsweep.sweep.identity.experiment import latest_unfinished, question_key
from radsweep.sweep.phases import Phases
from radsweep.sweep.preparation.dataset import data_card
from radsweep.sweep.preparation.prepare import Preparations
from radsweep.sweep.progress.time_left import TimeLeft
from radsweep.sweep.progress.watch import Watch
from radsweep.sweep.search.optuna_study import open_storage, storage_url
from radsweep.sweep.setup import open_data
from radsweep.tracking.address import prepare, sanitise_uri, tracking_uri
from radsweep.tracking.mirror import LONGEST_END, Mirror

MANY_WAITING = 100  # entries that MLflow takes some seconds for


def run_sweep(
    experiment: Experiment,
    where: str,
    resume: bool = False,
    console: Console | None = None,
    fresh: bool = False,
) -> SweepRecord:
    """Run what the experiment asks for; when this returns its records, MLflow runs and report are there.

    Args:
        where: the experiment file, for messages.
        write_report: makes the report of a sweep in a folder, from its cells, their queries and their stages; gives
            the page, the statistics for MLflow and what is best.
        resume: go on with the latest sweep of the same experiment.
        fresh: run every trial and stage again, whatever earlier sweeps have of them; a resumed sweep is as it began.

    Raises:
        InputError: what a user can put right; no trial has started then.
    """
    console = console or Console()
    store = open_store(experiment.run, where)
    check_experiment(experiment, where)
    uri = tracking_uri(experiment.run.tracking_uri, store.root)
    previous = latest_unfinished(store, experiment, where, resume, console)
    store.check_writable(where)
    lease = Lease(store.root / "leases", question_key(experiment))
    with lease.taken(where):
        return _run(experiment, where, previous, fresh, uri, store, console, lease.life)


def _run(
    experiment: Experiment,
    where: str,
    previous: SweepRecord | None,
    fresh: bool,
    uri: str,
    store: Store,
    console: Console,
    holder: Path,
) -> SweepRecord:
    began = time.monotonic()
    connect()
    opened = open_data(experiment, where, store, console, previous)
    experiment, shards = opened.experiment, opened.shards
    ablation, search = experiment.ablation, experiment.search
    tune = ablation.tune if ablation else None
    cells = plan(experiment, opened.key_of)
    sweep = previous or _new_sweep(experiment, fresh)
    storage = None
    if search is not None and not cells:
        storage = open_storage(storage_url(experiment.run.optuna_storage, store.sweep_folder(sweep.id)))
    known = {"tuning": tuple(cells)} if tune else {"cells": tuple(cells) or sweep.cells}
    code = {"code": code_fingerprint(), "git_commit": git_commit(), "versions": versions()}
    sweep = sweep.model_copy(update={"status": "running", "data": data_card(shards.manifest), **code, **known})
    store.write_sweep(sweep)
    console.say(f"Sweep: {sweep.id}; how far it is: radsweep status --store {store.root}")
    asked = 0
    if search is not None and not cells and search.fidelity == "epochs":  # of pairs, a trial is as many cells as rungs
        asked = search.most_trials or 0
    final = ablation_cells(opened.base, ablation, opened.key_of) if ablation and tune else []
    with Mirror(prepare(uri, store.root), store.root, sweep) as mirror:
        mirror.start_sweep([store.sweep_file(sweep.id)])
        watch = Watch(store, mirror, console, sweep, TimeLeft(opened.room_of, opened.work_of), holder)
        watch.expect((*cells, *final), asked)  # before tuning chose, final cells stand for those of its choice
        engine = Engine(
            store, sweep, opened.base, opened.room, opened.room_of, opened.preparations, opened.key_of, watch
        )
        run = Phases(sweep, store, opened, engine, watch, console)
        status: Ending = "failed"
        try:
            whole = True
            if ablation and tune:
                whole = run.tuned(ablation)
            elif storage is not None and search is not None:
                whole = run.search(search, storage)
            else:
                run.design(cells, read_test=search is None)  # a search reads it for its winner alone
            watch.settle(run.sweep.cells)
            status = how_it_ended(run.sweep.cells, watch.ended, whole)
            if status != "interrupted" and search is not None:
                run.test_of_winner()
            if status != "interrupted" and opened.base.evaluate.against:
                run.references()
        except KeyboardInterrupt:
            status = "interrupted"
        if status == "interrupted":
            why = f" ({watch.interruption.reason})" if watch.interruption.reason else ""
            console.say(f"Interrupted{why}. What is finished is kept; `radsweep sweep {where} --resume` goes on.")
        watch.settle((*run.sweep.tuning, *run.sweep.cells))
        cost = _cost(watch, opened.preparations, opened.room, time.monotonic() - began)
        for note in run.sweep.notes:
            console.say(note)
        watch.board.write(at_once=True)
        ended = {"stages": watch.settle_stages(), "status": status, "ended": now(), "cost": cost}
        sweep = run.sweep.model_copy(update=ended)
        store.write_sweep(sweep)
        with mirror.held_back():
            finished = finish(store, sweep)
        if not finished.winner_kept:
            console.say(
                "The store no longer has the checkpoint of the recommended trial, so the report has no winner/; "
                f"`radsweep sweep {finished.folder / 'best.yaml'} --fresh` trains it again"
            )
        numbers = {**statistics(sweep, watch.ended), **finished.statistics}
        best, candidate = finished.selection.recommended, finished.selection.candidate
        mirror.finish_sweep(sweep, numbers, finished.folder, [store.sweep_file(sweep.id)], best, candidate)
        if (waiting := mirror.pending) > MANY_WAITING:
            console.say(
                f"Sending {waiting:,} results to MLflow for {LONGEST_END:.0f} s at most; `radsweep sync` sends the rest"
            )
    if left := store.send_rest(sweep):
        console.say(f"{left}. `radsweep sync` sends what is left")
    return sweep


class Finished(NamedTuple):
    folder: Path  # the report's
    statistics: Mapping[str, float]  # that the report computed, for MLflow
    selection: Selection
    winner_kept: bool  # False: the recommended trial's checkpoint is gone


def finish(store: Store, sweep: SweepRecord) -> Finished:
    """Write the report, put the checkpoint of what it recommends beside it, and let the others go."""
    folder = store.report_folder(sweep)
    records = store.read_records(sweep)
    _, evidence, selection = write_report(folder, sweep, records, store.read_queries, store.read_stages_of(records))
    kept = link_winner(store, folder, selection)
    forget_checkpoints(store, sweep, selection)
    return Finished(folder, evidence, selection, kept)


def _new_sweep(experiment: Experiment, fresh: bool) -> SweepRecord:
    arms = experiment.ablation.designed_arms(experiment.trial()) if experiment.ablation else {}
    unchanged = [arm for arm, changes in arms.items() if not changes]
    asked = experiment.model_dump(mode="json", exclude_none=True)
    for key in {"tracking_uri", "optuna_storage"} & asked["run"].keys():  # MLflow shows the record: no password
        asked["run"][key] = sanitise_uri(asked["run"][key])
    if (archive := archive_place(experiment.run)) is not None:  # the environment may be another when it is sent to
        asked["run"]["archive"] = archive
    return SweepRecord(
        id=f"{experiment.experiment}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}",
        name=experiment.experiment,
        kind="ablation" if experiment.ablation else "search" if experiment.search else "train",
        experiment=asked,
        select=experiment.evaluate.select,
        cells=(),
        baseline=(unchanged or [next(iter(arms), "")])[0],
        fresh=fresh,
        created=now(),
    )


def _cost(watch: Watch, preparations: Preparations, room: capacity.Room, seconds: float) -> dict[str, float]:
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
