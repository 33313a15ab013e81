"""What a sweep would do, found out without a Ray and without writing anything."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsweep.data.decode import ShardIndex, read_index
from radsweep.data.schema import SPLITS
from radsweep.errors import InputError
from radsweep.spec.experiment import Experiment
from radsweep.spec.load import trial_with
from radsweep.spec.trial import Trial
from radsweep.sweep.archive import open_store
from radsweep.sweep.cluster import Node, Room, room_in, rooms_of_arms
from radsweep.sweep.estimate import Estimate, Expected, Paces, in_turn, total
from radsweep.sweep.identity import cell_key, stage_keys
from radsweep.sweep.plan import cell_trial, folds_of, plan
from radsweep.sweep.preflight import check_experiment
from radsweep.sweep.results import is_complete
from radsweep.sweep.sources import place_of, source_for, training_pairs
from radsweep.sweep.store import RECORD, Store
from radsweep.sweep.tasks import check_tasks
from radsweep.training.record import CellRecord, PlannedCell

OBJECT_STORE = 0.3  # of memory: what Ray takes by itself
MOST_RECORDS = 500  # the latest that are read for an estimate
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """The trials of an arm at a size."""

    arm: str
    pairs: int | None
    replicates: int
    trials: int  # a replicate has one for each fold
    done: int


@dataclass(frozen=True)
class Shared:
    """An adaptation stage, or the features of a frozen tower."""

    key: str
    name: str
    trials: int
    done: bool


@dataclass(frozen=True)
class Outlook:
    experiment: str
    kind: str
    rows: tuple[Row, ...]
    trials: int
    distinct: int | None  # cells; None where a search asks for them as it goes
    done: int
    stages: tuple[Shared, ...]
    slots: int | None
    device: str
    estimate: Estimate | None
    no_estimate: str  # why there is none, and how to get one
    refused: tuple[str, ...]
    notes: tuple[str, ...]


def outlook(experiment: Experiment, where: str, calibrate: bool = False, say: Say = lambda line: None) -> Outlook:
    """The plan of a sweep on this machine.

    Args:
        where: the experiment file, for messages.
        calibrate: train some steps of one trial of each arm where no record tells how long they take.

    Raises:
        InputError: not even a plan can be made.
    """
    refused: list[str] = []
    notes: list[str] = []
    with _noted(refused):
        check_experiment(experiment, where)
    store = open_store(experiment.run, where)
    base = experiment.trial()
    room, rooms = None, {}
    with _noted(refused):
        machine = [_machine(notes)]
        room = room_in(machine, experiment.run, base)
        rooms = rooms_of_arms(machine, experiment)
    device = room.device if room else "cpu"
    shards = _shards(experiment, where, store, refused, notes)
    if shards is not None and base.data.source == "auto":
        source = source_for(_examples(experiment), shards, OBJECT_STORE * _memory())
        experiment = experiment.model_copy(update={"data": base.data.model_copy(update={"source": source})})
        base = experiment.trial()
    fingerprint = shards.manifest.fingerprint if shards is not None else ""
    cells = plan(experiment, lambda trial: cell_key(trial, fingerprint, device))
    read_test = experiment.search is None
    first: dict[str, PlannedCell] = {}  # of two places of one cell the first
    for cell in cells:
        first.setdefault(cell.key, cell)
    records = store.read_cells(first) if fingerprint else {}
    done = {key for key, record in records.items() if is_complete(record, read_test)}
    if fingerprint and (archived := store.archived(first.keys() - records.keys())):
        notes.append(f"{len(archived):,} trials are in the archive, and are fetched from there when the sweep starts.")
        done |= archived
    trials = {key: cell_trial(base, cell) for key, cell in first.items()}
    stages = _stages(store, trials, fingerprint, device)
    asked = (experiment.search.most_trials or 0) if experiment.search and not cells else 0
    if asked:
        notes.append("A search asks for its trials as it goes: those that the store has already cannot be known.")
    todo = {key: trial for key, trial in trials.items() if key not in done}
    estimated, why_not = None, "no room for a trial"
    if room is not None:
        arms = {key: first[key].arm for key in todo}
        what = [*todo.items(), *(("", base) for _ in range(asked))]
        estimated, why_not = _estimate(what, arms, stages, store, shards, room, rooms, calibrate, notes, say)
    return Outlook(
        experiment=experiment.experiment,
        kind="ablation" if experiment.ablation else "search" if experiment.search else "train",
        rows=_rows(cells, done),
        trials=len(cells) or asked,
        distinct=len(first) if cells else None,
        done=len(done),
        stages=tuple(stages),
        slots=room.slots if room else None,
        device=device,
        estimate=estimated,
        no_estimate=why_not,
        refused=tuple(dict.fromkeys(refused)),
        notes=tuple(notes),
    )


@contextmanager
def _noted(refused: list[str]) -> Iterator[None]:
    """Within, what a sweep would refuse is noted and not raised."""
    try:
        yield
    except InputError as error:
        refused += str(error).splitlines()


def _machine(notes: list[str]) -> Node:
    """CPUs and GPUs, counted as Ray would."""
    if address := os.environ.get("RAY_ADDRESS"):
        notes.append(f"Slots are those of this machine; the cluster at {address} was not asked.")
    import torch  # counts GPUs

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Node(float(cpus), float(torch.cuda.device_count()))


def _memory() -> float:
    """Bytes of this machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _shards(
    experiment: Experiment, where: str, store: Store, refused: list[str], notes: list[str]
) -> ShardIndex | None:
    base = experiment.trial()
    with _noted(refused):
        folder = place_of(base.data.shards, store)
        if base.data.shards.startswith("phantom:") and not Path(folder).exists():
            notes.append(f"{base.data.shards} is not made yet, so that nothing of this sweep is done.")
            return None
        shards = read_index(folder, () if base.data.folds else SPLITS)
        if not base.data.folds:  # folds are dealt from all studies: left to the sweep's own start
            with _noted(refused):
                check_tasks(base.evaluate, shards, "test", base.data.source == "streamed", where)
        return shards
    return None


def _examples(experiment: Experiment) -> list[Trial]:
    """One trial of each arm: they have all image sizes of an ablation."""
    base = experiment.trial()
    arms = list(experiment.ablation.designed_arms(base).values()) if experiment.ablation else [{}]
    return [trial_with(base, changes | fold) for changes in arms for fold in folds_of(base)[:1]]


def _rows(cells: Sequence[PlannedCell], done: set[str]) -> tuple[Row, ...]:
    places: dict[tuple[str, int | None], list[PlannedCell]] = {}
    for cell in cells:
        places.setdefault((cell.arm, cell.pairs), []).append(cell)
    return tuple(
        Row(arm, pairs, len({(c.subset_seed, c.init_seed) for c in of}), len(of), sum(c.key in done for c in of))
        for (arm, pairs), of in places.items()
    )


def _stages(store: Store, trials: dict[str, Trial], fingerprint: str, device: str) -> list[Shared]:
    found: Counter[tuple[str, str]] = Counter()
    for trial in trials.values():
        found.update((key, name) for name, key in stage_keys(trial, fingerprint, device).items())
    done = {key for key, _ in found if (record := store.read_stage(key)) and record.status == "finished"}
    done |= store.archived((key for key, _ in found), stages=True)
    return [Shared(key, name, count, key in done) for (key, name), count in found.items()]


def _estimate(
    todo: Sequence[tuple[str, Trial]],
    arms: dict[str, str],
    stages: Sequence[Shared],
    store: Store,
    shards: ShardIndex | None,
    room: Room,
    rooms: dict[str, Room],
    calibrate: bool,
    notes: list[str],
    say: Say,
) -> tuple[Estimate | None, str]:
    """And why there is none."""
    paces = Paces(_latest(store.root / "cells"), room.device)
    calibrated: dict[str, Expected] = {}
    expected: dict[Room, list[Expected]] = {room: []}
    unknown: list[str] = []
    for key, trial in todo:
        available = (
            len(shards.splits["train"])
            if shards and not trial.data.folds
            else training_pairs(trial.data.shards, trial.data.folds)
        )
        found = paces.expected(trial, available)
        if found is None and calibrate and shards is not None and not trial.data.folds:
            found = _calibrated(trial, available, arms.get(key, ""), shards, room, calibrated, notes, say)
        if found is None:
            unknown.append(arms.get(key, "") or "its trials")
        else:
            expected.setdefault(rooms.get(arms.get(key, ""), room), []).append(found)
    if unknown:
        which = ", ".join(list(dict.fromkeys(unknown))[:5])
        return None, f"no record of a trial like those of {which} is in the store; {_how(shards, calibrate, todo)}"
    if waiting := sum(not stage.done for stage in stages):
        notes.append(f"Without the time of adaptation stages and features that have to be made first: {waiting}.")
    unit = "GPU hours" if room.gpus else "CPU hours"
    parts = [total(of, each.slots, each.workers * (each.gpus or each.cpus), unit) for each, of in expected.items()]
    return in_turn(parts), ""


def _how(shards: ShardIndex | None, calibrate: bool, todo: Sequence[tuple[str, Trial]]) -> str:
    if shards is None:
        return "make the data set first (`radsweep phantom`, or one `radsweep train`), then use --calibrate"
    if any(trial.data.folds for _, trial in todo):
        return "folds are not calibrated: run one trial with `radsweep train`"
    return "see the notes" if calibrate else "--calibrate trains some steps of one trial of each arm here"


def _calibrated(
    trial: Trial,
    available: int,
    arm: str,
    shards: ShardIndex,
    room: Room,
    made: dict[str, Any],
    notes: list[str],
    say: Say,
) -> Expected | None:
    from radsweep.data.subsets import subset_size
    from radsweep.sweep.calibrate import MOST_STUDIES, Calibration
    from radsweep.training.loop import TrialFailed

    pairs = subset_size(available, trial.data.pairs, trial.data.fraction)
    name = f"{arm}/{pairs}" if arm else trial.model_dump_json()
    studies = sum(map(len, shards.splits.values()))
    if studies > MOST_STUDIES:
        told = (
            f"--calibrate decodes all studies, {MOST_STUDIES:,} at most, and there are {studies:,}: run one trial with "
            "`radsweep train`"
        )
        if told not in notes:
            notes.append(told)
        return None
    if name not in made:
        calibration = made.setdefault("", Calibration(shards, room.device, say))
        try:
            made[name] = calibration.seconds(trial, pairs, f"{arm or 'the base trial'}, {pairs:,} pairs")
        except TrialFailed as error:
            notes.append(f"{arm or 'The base trial'} cannot be trained: {error}")
            made[name] = None
    found: Expected | None = made[name]
    return found


def _latest(cells: Path) -> Iterator[CellRecord]:
    """Records of the store, the latest first."""
    files = sorted(cells.glob(f"*/{RECORD}"), key=lambda file: -file.stat().st_mtime)
    for file in files[:MOST_RECORDS]:
        if (record := Store(cells.parent).read_cell(file.parent.name)) is not None:
            yield record
