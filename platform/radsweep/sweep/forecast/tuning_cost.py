"""Cost of tuning in each replicate, beside that of one tuning that all replicates share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from radsweep.config.ablation import Ablation
from radsweep.config.trial import Trial
from radsweep.config.tune import Repeat
from radsweep.console import duration
from radsweep.store.selection import is_complete
from radsweep.store.store import Store
from radsweep.sweep.design.planned_trials import KeyOf, cell_trial, tuning_cells
from radsweep.sweep.forecast.durations import Estimate
from radsweep.sweep.forecast.forecast import Forecast

CLAIMS: dict[Repeat, str] = {
    "each_replicate": "claims include luck in tuning",
    "once": "claims speak of the tuned values only, and luck in tuning is in no interval",
}


@dataclass(frozen=True)
class TuningCost:
    """Tuning trials of one value of `ablation.tune.repeat`."""

    repeat: Repeat
    chosen: bool  # the experiment's own
    trials: int
    done: int  # of these, in the store already
    estimate: Estimate | None  # of the others


def tuning_costs(
    base: Trial, ablation: Ablation, key_of: KeyOf, store: Store | None, forecast: Forecast | None
) -> tuple[TuningCost, ...]:
    """Count and time the tuning trials of each choice, the experiment's own first; () if nothing is tuned.

    Args:
        store: None if the data set does not exist, so that the store cannot have trials of it.
        forecast: None if the time is not known.
    """
    if (tune := ablation.tune) is None:
        return ()
    costs = []
    for repeat in sorted(CLAIMS, key=lambda each: each != tune.repeat):
        other = tune.model_copy(update={"repeat": repeat})
        planned = tuning_cells(base, ablation.model_copy(update={"tune": other}), other, key_of)
        cells = {cell.key: cell for cell in planned}
        records = store.read_cells(cells) if store else {}
        done = {key for key, record in records.items() if is_complete(record, read_test=False)}
        left = [(cell.arm, cell_trial(base, cell)) for key, cell in cells.items() if key not in done]
        estimate = forecast.of([left], [])[0] if forecast else None
        costs.append(TuningCost(repeat, repeat == tune.repeat, len(planned), len(done), estimate))
    return tuple(costs)


def tuning_lines(costs: Sequence[TuningCost]) -> Iterator[str]:
    """One line for each choice."""
    for cost in costs:
        done = f", {cost.done:,} done already" if cost.done else ""
        time = ""
        if cost.estimate is not None:
            most = "at most " if cost.estimate.at_most else "about "
            hours = f"{most}{cost.estimate.compute_hours:.2g} {cost.estimate.unit}"
            time = f", {most}{duration(cost.estimate.wall_seconds)}, {hours}"
        which = "Tuning" if cost.chosen else "Instead"
        yield f"{which}: {cost.repeat}, {cost.trials:,} trials{done}{time}; {CLAIMS[cost.repeat]}"
