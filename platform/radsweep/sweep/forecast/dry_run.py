"""Plan a sweep without Ray and without writing anything."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from radsweep.cluster.trial_capacity import Node, capacities_of_arms, capacity_in
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.stages import Stage, stages_of
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data.loading.decode import ShardIndex, read_index
from radsweep.data.shards.schema import SPLITS
from radsweep.display import Shown
from radsweep.errors import InputError, joined
from radsweep.store.archive import open_store
from radsweep.store.records import ArmSize, PlannedCell
from radsweep.store.selection import is_complete
from radsweep.store.store import Store
from radsweep.sweep.checks.data import check_reports_and_labels, check_tasks
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.checks.selection_metric import check_selection
from radsweep.sweep.checks.techniques import check_techniques
from radsweep.sweep.design.added_replicates import cells_through, first_replicates
from radsweep.sweep.design.planned_trials import ablation_cells, cell_trial, folds_of, plan_cells
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.forecast.cut_reports import notes_on_cut_reports
from radsweep.sweep.forecast.dry_run_table import plan_lines, plan_table
from radsweep.sweep.forecast.durations import Estimate, Expected, StageTimes
from radsweep.sweep.forecast.forecast import Forecast, OfArm, Say, budget, latest
from radsweep.sweep.forecast.power import power_notes
from radsweep.sweep.forecast.tuning_cost import TuningCost, tuning_costs
from radsweep.sweep.identity.cell_key import cell_key, stage_keys
from radsweep.sweep.preparation.dataset import place_of
from radsweep.sweep.preparation.image_memory import source_for
from radsweep.sweep.preparation.prepare import Preparations

OBJECT_STORE = 0.3  # share of memory that Ray takes by default


@dataclass(frozen=True)
class PlannedRow:
    """Trials of an arm at a size."""

    arm: str
    pairs: int | None
    replicates: int
    trials: int  # a replicate has one for each fold
    done: int  # finished, including tuning trials
    tuning: int = 0  # tuning trials before these


@dataclass(frozen=True)
class Shared:
    """Adaptation stage, or features of a frozen tower, that trials share."""

    key: str
    name: str
    trials: int
    done: bool
    seconds: float | None = None  # expected, if earlier runs show it


@dataclass(frozen=True, repr=False)
class DryRun(Shown):
    """Plan of a sweep, as `radsweep.plan` returns it. `print` and a notebook show the table of `--dry-run`.

    Example:
        >>> import radsweep as rs
        >>> plan = rs.plan("experiment.yaml")
        >>> plan.trials, plan.done, plan.refused
        (4, 0, ())
        >>> [(row.arm, row.pairs, row.trials) for row in plan.rows]
        [('baseline', 20, 1), ('sentences', 20, 1), ('baseline', 40, 1), ('sentences', 40, 1)]
    """

    experiment: str
    kind: str  # ablation, search or train
    rows: tuple[PlannedRow, ...]
    trials: int | None  # None if hours limit a search
    distinct: int | None  # cells; None if a search suggests them one by one
    done: int
    stages: tuple[Shared, ...]
    slots: int | None
    device: str
    estimate: Estimate | None
    no_estimate: str  # why there is none, and how to get one
    refused: tuple[InputError, ...]  # errors with which the sweep would be refused
    notes: tuple[str, ...]
    tuning: tuple[TuningCost, ...] = ()  # of a tuned ablation: of each choice of ablation.tune.repeat

    def __rich__(self) -> RenderableType:
        refused = [f"Refused: {error}" for error in self.refused]
        lines = "\n".join([*plan_lines(self), *refused])
        return Group(plan_table(self), Text(lines, no_wrap=True, overflow="ignore"))


def dry_run(experiment: Experiment, calibrate: bool = False, say: Say = lambda line: None) -> DryRun:
    """Plan a sweep on this machine.

    Args:
        calibrate: train some steps of one trial of each arm if no record shows how long they take.

    Raises:
        InputError: the experiment cannot be planned at all.
    """
    refused: list[InputError] = []
    notes: list[str] = []
    with _noted(refused):
        check_experiment(experiment)
    store = open_store(experiment.run)
    base = experiment.trial()
    capacity, capacities = None, {}
    with _noted(refused):
        machine = [_machine(notes)]
        capacity = capacity_in(machine, experiment.run, base)
        capacities = capacities_of_arms(machine, experiment)
    device = capacity.device if capacity else "cpu"
    shards = _shards(experiment, store, refused, notes)
    if shards is not None and base.data.source == "auto":
        source = source_for(_examples(experiment), shards, OBJECT_STORE * _memory())
        experiment = experiment.model_copy(update={"data": base.data.model_copy(update={"source": source})})
        base = experiment.trial()
    if shards is not None:
        with _noted(refused):
            check_reports_and_labels(list(possible_trials(experiment)), shards)
        if not refused:
            notes += notes_on_cut_reports(possible_trials(experiment), shards)
    fingerprint = shards.manifest.fingerprint if shards is not None else ""
    key_of = partial(cell_key, data=fingerprint, device=device)
    cells = plan_cells(experiment, key_of)
    ablation, search = experiment.ablation, experiment.search
    if ablation is not None and ablation.seeds.until:
        least = len(cells_through(cells, first_replicates(cells, ablation)))
        notes.append(f"Replicates are added only where a comparison is open: {least:,} to {len(cells):,} trials.")
    notes += power_notes(store, experiment, cells, fingerprint) if fingerprint else []
    tunes = ablation is not None and ablation.tune is not None
    read_test = search is None and not tunes
    final: list[PlannedCell] = []
    if ablation is not None and tunes:  # as if tuning kept the settings of each arm
        final = ablation_cells(base, ablation, key_of, {cell.tuning_place: {} for cell in cells})
        notes.append("The settings that tuning selects are not known yet; all final trials count as still to be run.")
    first: dict[str, PlannedCell] = {}  # the first position of each cell
    for cell in cells:
        first.setdefault(cell.key, cell)
    records = store.read_cells(first) if fingerprint else {}
    done = {key for key, record in records.items() if is_complete(record, read_test)}
    if fingerprint and (archived := store.in_archive(first.keys() - records.keys())):
        notes.append(f"{len(archived):,} trials are in the archive and are fetched when the sweep starts.")
        done |= archived
    trials = {key: cell_trial(base, cell) for key, cell in first.items()}
    last = {cell.key: (cell.arm, cell_trial(base, cell)) for cell in final}
    arms = {key: (first[key].arm, trial) for key, trial in trials.items()}
    stages, made_first = _stages(store, [*arms.values(), *last.values()], fingerprint, device)
    asked = (search.most_trials or 0) if search and not cells else 0
    if search and not cells:
        notes.append("A search suggests trials one by one, so it is not known which of them are in the store already.")
    forecast: Forecast | None = None
    estimated, why_not = None, "no room for a trial"
    if capacity is not None:
        todo = [arms[key] for key in arms if key not in done] + [("", base)] * asked
        forecast = Forecast(store, shards, capacity, capacities, calibrate, notes, say)
        phases = [todo, list(last.values())]
        estimated, why_not = forecast.of(phases, made_first) if asked or cells else (None, "")
        if estimated is not None and ablation is not None and ablation.seeds.until:
            estimated = replace(estimated, at_most=True)
        if estimated is None and refused:
            why_not = "the sweep would be refused"
        if (
            search
            and (most := budget(search, capacity))
            and (not estimated or most[0].wall_seconds < estimated.wall_seconds)
        ):
            estimated, why_not = most[0], ""
            notes.append(f"The time is the budget of {most[1]}; trials that are running when it ends are completed.")
        if waiting := sum(not stage.done and stage.seconds is None for stage in stages):
            notes.append(
                f"The time does not include {waiting:,} adaptation stages and features without an earlier run."
            )
    known, timed = (store if fingerprint else None), (forecast if estimated else None)
    return DryRun(
        experiment=experiment.experiment,
        kind="ablation" if ablation else "search" if search else "train",
        rows=_rows(cells, done, final),
        trials=len(cells) + len(final) or asked or None,
        distinct=len(first) + len(last) if cells else None,
        done=len(done),
        stages=tuple(stages),
        slots=capacity.slots if capacity else None,
        device=device,
        estimate=estimated,
        no_estimate=why_not,
        refused=joined(refused).errors if refused else (),
        notes=tuple(notes),
        tuning=tuning_costs(base, ablation, key_of, known, timed) if ablation else (),
    )


@contextmanager
def _noted(refused: list[InputError]) -> Iterator[None]:
    """Collect errors that would make a sweep refuse to start, instead of raising them."""
    try:
        yield
    except InputError as error:
        refused += error.errors


def _machine(notes: list[str]) -> Node:
    """Return the CPUs and GPUs of this machine, counted as Ray would."""
    if address := os.environ.get("RAY_ADDRESS"):
        notes.append(f"Slots are those of this machine, not of the cluster at {address}.")
    import torch  # counts GPUs

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Node(float(cpus), float(torch.cuda.device_count()))


def _memory() -> float:
    """Bytes of memory of this machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _shards(experiment: Experiment, store: Store, refused: list[InputError], notes: list[str]) -> ShardIndex | None:
    base = experiment.trial()
    with _noted(refused):
        folder = place_of(base.data.shards, store)
        if base.data.shards.startswith("phantom:") and not Path(folder).exists():
            name = base.data.shards
            notes.append(f"The data set {name} does not exist yet, so no trial of this sweep can have been run.")
            return None
        shards = read_index(folder, () if base.data.folds else SPLITS)
        if not base.data.folds:  # folds are checked when the sweep starts
            with _noted(refused):
                check_tasks(base.evaluate, shards, "test", base.data.source == "streamed")
        shards_of = Preparations(shards, store, Console()).shards_of
        with _noted(refused):
            check_techniques(experiment, possible_trials(experiment), shards_of)
        with _noted(refused):
            notes += check_selection(experiment, possible_trials(experiment), shards_of)
        return shards
    return None


def _examples(experiment: Experiment) -> list[Trial]:
    """Return one trial of each arm; together they have all image sizes of an ablation."""
    base = experiment.trial()
    arms = list(experiment.ablation.designed_arms(base).values()) if experiment.ablation else [{}]
    return [trial_with(base, changes | fold) for changes in arms for fold in folds_of(base)[:1]]


def _rows(cells: Sequence[PlannedCell], done: set[str], final: Sequence[PlannedCell]) -> tuple[PlannedRow, ...]:
    """Group cells into rows. `final`: trials of a tuned ablation, for which `cells` are the tuning trials."""
    places: dict[ArmSize, list[PlannedCell]] = {}
    for cell in final or cells:
        places.setdefault((cell.arm, cell.pairs), []).append(cell)
    ended = Counter((cell.arm, cell.pairs) for cell in cells if cell.key in done)
    tuning = Counter((cell.arm, cell.pairs) for cell in cells if final)
    return tuple(
        PlannedRow(*place, len({(c.subset_seed, c.init_seed) for c in of}), len(of), ended[place], tuning[place])
        for place, of in places.items()
    )


def _stages(
    store: Store, trials: Sequence[OfArm], fingerprint: str, device: str
) -> tuple[list[Shared], list[tuple[str, Expected]]]:
    """Return what trials share, and the stages to compute first whose duration is known from earlier runs."""
    found: Counter[tuple[str, str]] = Counter()
    asking: dict[str, OfArm] = {}  # the first
    for arm, trial in trials:
        for name, key in stage_keys(trial, fingerprint, device).items():
            found[key, name] += 1
            asking.setdefault(key, (arm, trial))
    done = {key for key, _ in found if (record := store.read_stage(key)) and record.status == "finished"}
    done |= store.in_archive((key for key, _ in found), stages=True)
    times = StageTimes(latest(store.root / "stages") if found.keys() else (), device, fingerprint)
    shared: list[Shared] = []
    made_first: list[tuple[str, Expected]] = []
    for (key, name), count in found.items():
        arm, trial = asking[key]
        stages: Mapping[str, Stage] = stages_of(trial)  # type: ignore[assignment]
        expected = None if key in done else times.expected(stages[name])
        shared.append(Shared(key, name, count, key in done, expected.seconds if expected else None))
        made_first += [(arm, expected)] if expected else []
    return shared, made_first
