"""Run in a copy of the package with the term of docs/extend.md: `new_term_process OUT` writes OUT/found.json."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from radsweep.config import objective as settings
from radsweep.config.stages import stages_of
from radsweep.config.terms import Need
from radsweep.sweep.identity import code
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.frozen_features import load_frozen, run_frozen
from radsweep.training.trainer import TrialRecipe, train
from support.synthetic import one_step, synthetic_data, synthetic_trial

ON = {"objective.mean_region.weight": 1.0}
STILL = {f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast", "noise")}
FROZEN = STILL | {"augment.image.crop": [1.0, 1.0], "model.image.freeze": True, "model.text.freeze": True}
SHORT = {"train.steps": 4, "evaluate.every_steps": 1}
LOCAL = {"evaluate.tasks": ["retrieval", "local_retrieval"], "train.steps": 2}


def frozen_towers(out: Path) -> dict[str, Any]:
    """Stages of a trial whose towers are frozen, without the term and with it; its batch; its losses, by either way."""
    trial, data = synthetic_trial(**FROZEN, **SHORT, **ON), synthetic_data()
    run_frozen("text", trial, data, folder=out / "text", adapted={})
    features = load_frozen(out / "text")
    assert features is not None
    frozen = {"text": features}
    batch = next(TrialRecipe(trial, data, RunContext(), frozen=frozen).batches(0))
    losses = [
        [validation.metrics["train/loss/mean_region"] for validation in outcome.history]
        for outcome in (train(trial, data), train(trial, data, frozen=frozen))
    ]
    return {
        "stages without": list(stages_of(synthetic_trial(**FROZEN))),
        "stages with": list(stages_of(trial)),
        "views": [len(batch.pixels_bCSS), len(batch.image_bP), len(batch.texts), len(batch.text_bP)],
        "losses": losses,
    }


def final_metrics() -> list[str]:
    return list(train(synthetic_trial(**LOCAL, **ON), synthetic_data(), read_test=True).final)


def codes(package: Path) -> list[str]:
    """Fingerprints of a trial without the term, and with it, if this were the package."""
    code.PACKAGE = package
    for cached in (code.fingerprint, code.graph):
        cached.cache_clear()
    return [code.trial_code(trial) for trial in (synthetic_trial(), synthetic_trial(**ON))]


def with_a_changed_line(package: Path, copy: Path) -> Path:
    """A copy of the package whose loss of the term differs in a line."""
    shutil.copytree(package, copy)
    file = copy / "objectives" / "mean_region.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace("    return", "    assert True\n    return"), encoding="utf-8"
    )
    return copy


def main(out: Path) -> None:
    recipe = TrialRecipe(synthetic_trial(**ON), synthetic_data(), RunContext())
    batch = next(recipe.batches(0))
    found = {
        "projected": [part is not None for part in (recipe.model.region_projection, recipe.model.token_projection)],
        "extra views": [len(batch.ssl_pixels_bCSS), batch.masked is not None],
        "frozen": frozen_towers(out),
        "final": final_metrics(),
    }
    for parts in (1, 3):
        loss, gradients = one_step("mean region", Workers(), parts)
        found[f"loss of {parts}"] = loss
        np.savez(out / f"{parts}.npz", **gradients)
    settings.MeanRegion.needs = property(lambda _: frozenset({Need.REGIONS, Need.WORDS}))  # type: ignore[attr-defined]
    found["final with words"] = final_metrics()
    package = code.PACKAGE
    found["codes"] = [codes(package), codes(with_a_changed_line(package, out / "changed" / "radsweep"))]
    (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
