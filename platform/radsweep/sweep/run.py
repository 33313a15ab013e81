"""Run a sweep from the experiment to the report: check, prepare, run missing trials, conclude."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from optuna.storages import BaseStorage

from radsweep.cluster.connect import connect
from radsweep.cluster.versions import versions
from radsweep.config.experiment import Experiment
from radsweep.console import Console
from radsweep.report.render.write import write_report
from radsweep.store.archive import archive_place, open_store
from radsweep.store.kept_checkpoints import forget_checkpoints, link_winner
from radsweep.store.ledger import read_ledger
from radsweep.store.locks import Lease
from radsweep.store.records import PlannedCell, SweepRecord, now
from radsweep.store.selection import Ending, Selection, statistics
from radsweep.store.store import Store
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.design.added_replicates import cells_through, first_replicates
from radsweep.sweep.design.planned_trials import ablation_cells, plan_cells
from radsweep.sweep.identity.code import code_fingerprint, git_commit
from radsweep.sweep.identity.experiment import experiment_key, latest_unfinished
from radsweep.sweep.phases import Phases
from radsweep.sweep.preparation.dataset import manifest_summary
from radsweep.sweep.preparation.study_traits import traits_of
from radsweep.sweep.progress.time_left import TimeLeft
from radsweep.sweep.progress.watch import ProgressCallback
from radsweep.sweep.search.optuna_study import open_storage, storage_url
from radsweep.sweep.setup import Setup, open_data
from radsweep.tracking.address import prepare, sanitise_uri, tracking_uri
from radsweep.tracking.mirror import LONGEST_END, Mirror

MANY_WAITING = 100  # entries that MLflow needs some seconds for


def run_sweep(
    experiment: Experiment,
    resume: bool = False,
    console: Console | None = None,
    fresh: bool = False,
) -> SweepRecord:
    """Run an experiment. When this returns, the records, MLflow runs and report exist.

    Args:
        resume: continue the latest sweep of the same experiment.
        fresh: run every trial and stage again, and ignore earlier results; a resumed sweep keeps its own setting.

    Raises:
        InputError: a mistake that a user can correct; no trial has started.
    """
    console = console or Console()
    store = open_store(experiment.run)
    check_experiment(experiment)
    uri = tracking_uri(experiment.run.tracking_uri, store.root)
    previous = latest_unfinished(store, experiment, resume, console)
    store.check_writable()
    lease = Lease(store.root / "leases", experiment_key(experiment))
    with lease.taken():
        began = time.monotonic()
        connect()
        setup = open_data(experiment, store, console, previous)
        planned = _plan(setup, store, previous or _new_sweep(setup.experiment, fresh))
        console.say(f"Sweep: {planned.sweep.id}; progress: radsweep status --store {store.root}")
        with Mirror(prepare(uri, store.root), store.root, planned.sweep) as mirror:
            mirror.start_sweep([store.sweep_file(planned.sweep.id)])
            time_left = TimeLeft(setup.capacity_of, setup.work_of)
            watch = ProgressCallback(store, mirror, console, planned.sweep, time_left, lease.life)
            watch.expect((*planned.cells, *planned.final), planned.asked)
            phases = Phases(setup, store, planned.sweep, watch)
            status = phases.run(planned.cells, planned.storage)
            if status == "interrupted":
                why = f" ({watch.interruption.reason})" if watch.interruption.reason else ""
                console.say(f"Interrupted{why}. Finished trials are kept; continue with the same command and --resume.")
            sweep = _conclude(phases, status, began)
        if unsent := store.flush(sweep):
            console.say(f"{unsent}. `radsweep sync` sends the rest")
        return sweep


class _Planned(NamedTuple):
    sweep: SweepRecord  # as it is written to the store
    cells: list[PlannedCell]  # none if a search suggests them one by one
    final: list[PlannedCell]  # of an ablation that tunes: placeholders for the cells with tuned settings
    asked: int  # trials that a search will suggest; 0 if that is not known
    storage: BaseStorage | None  # of the Optuna study of a search


def _plan(setup: Setup, store: Store, sweep: SweepRecord) -> _Planned:
    """Plan the sweep and write it to the store, before anything runs."""
    ablation, search = setup.experiment.ablation, setup.experiment.search
    tunes = ablation is not None and ablation.tune is not None
    cells = plan_cells(setup.experiment, setup.key_of)
    if ablation is not None and ablation.seeds.until:
        cells = cells_through(cells, first_replicates(cells, ablation))
    storage, asked = None, 0
    if search is not None and not cells:
        storage = open_storage(storage_url(setup.experiment.run.optuna_storage, store.sweep_folder(sweep.id)))
        if search.fidelity == "epochs":  # with pairs, a trial has a cell for each rung
            asked = search.most_trials or 0
    known = {"tuning": tuple(cells)} if tunes else {"cells": tuple(cells) or sweep.cells}
    code = {"code": code_fingerprint(), "git_commit": git_commit(), "versions": versions()}
    data = manifest_summary(setup.shards.manifest)
    sweep = sweep.model_copy(update={"status": "running", "data": data, **code, **known})
    store.write_sweep(sweep)
    final = ablation_cells(setup.base, ablation, setup.key_of) if ablation and tunes else []
    return _Planned(sweep, cells, final, asked, storage)


def _conclude(phases: Phases, status: Ending, began: float) -> SweepRecord:
    """Write the results of the sweep: its record, the report, the statistics in MLflow."""
    store, watch, mirror, console = phases.store, phases.watch, phases.watch.mirror, phases.watch.console
    watch.collect((*phases.sweep.tuning, *phases.sweep.cells))
    cost = _cost(watch, phases.setup, time.monotonic() - began)
    for note in phases.sweep.notes:
        console.say(note)
    watch.status_writer.write(at_once=True)
    ended = {"stages": watch.collect_stages(), "status": status, "ended": now(), "cost": cost}
    sweep = phases.sweep.model_copy(update=ended)
    store.write_sweep(sweep)
    with mirror.paused():
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
    return sweep


class Finished(NamedTuple):
    folder: Path  # the report's
    statistics: Mapping[str, float]  # computed by the report, for MLflow
    selection: Selection
    winner_kept: bool  # False: the recommended trial's checkpoint no longer exists


def finish(store: Store, sweep: SweepRecord) -> Finished:
    """Write the report, put the recommended checkpoint beside it, and remove the others."""
    folder = store.report_folder(sweep)
    records = store.read_records(sweep)
    stages, ledger = store.read_stages_of(records), read_ledger(store, sweep, records)
    traits = traits_of(sweep, store)
    _, evidence, selection = write_report(folder, sweep, records, store.read_queries, stages, ledger, traits)
    kept = link_winner(store, folder, selection)
    forget_checkpoints(store, sweep, selection)
    return Finished(folder, evidence, selection, kept)


def _new_sweep(experiment: Experiment, fresh: bool) -> SweepRecord:
    arms = experiment.ablation.designed_arms(experiment.trial()) if experiment.ablation else {}
    unchanged = [arm for arm, changes in arms.items() if not changes]
    asked = experiment.model_dump(mode="json", exclude_none=True)
    for key in {"tracking_uri", "optuna_storage"} & asked["run"].keys():  # MLflow shows the record: hide passwords
        asked["run"][key] = sanitise_uri(asked["run"][key])
    if (archive := archive_place(experiment.run)) is not None:  # `radsweep sync` may run in another environment
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


def _cost(watch: ProgressCallback, setup: Setup, seconds: float) -> dict[str, float]:
    return {
        "wall_seconds": round(seconds, 1),
        "trial_seconds": round(sum(record.seconds.get("total", 0.0) for record in watch.ended.values()), 1),
        "trials_run": sum(watch.counts.values()) - watch.counts["reused"],
        "trials_reused": watch.counts["reused"],
        "trials_failed": watch.counts["failed"],
        "adaptation_seconds": round(sum(watch.adapted.values()) - watch.adapted["reused"], 1),
        "adaptation_reused_seconds": round(watch.adapted["reused"], 1),
        "images_decoded": setup.preparations.decoded,
        "slots": setup.capacity.slots,
    }
