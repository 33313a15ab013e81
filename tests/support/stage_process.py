"""A process that needs an adaptation stage; it writes the result to a file."""

from __future__ import annotations

from pathlib import Path

from radsweep.config.stages import stages_of
from radsweep.store.records import Validation
from radsweep.store.store import Store
from radsweep.sweep.slots.stages import ready_stage
from radsweep.training import adaptation, loop
from radsweep.training.context import RunContext
from radsweep.training.task import Task
from support.adapted import SMALL, with_pool
from support.synthetic import synthetic_trial

TRIAL = synthetic_trial(**(SMALL | {"adapt.image.steps": 300}))


def main(store: Path, name: str) -> None:
    loop.SAVE_EVERY = 0.0
    adaptation.StageRecipe.every_steps = 5
    started = store / f"{name}.started"

    def report(validation: Validation) -> bool:
        started.write_text(f"{validation.step}")  # of the first validation here: more than 5 if it was resumed
        return True

    def first(validation: Validation) -> bool:
        return report(validation) if not started.exists() else True

    assert set(stages_of(TRIAL)) == {"image", "text"}
    task = Task("", TRIAL.model_dump(mode="json"), "", "", False, "code", {}, {"image": "stage"})
    record = ready_stage("image", task, Store(store), with_pool(), RunContext(report=first))
    (store / f"{name}.got").write_text(f"{record.status} {record.steps}")
