"""Record real validation curves for convergence.py: each query's rank at each validation, far past the plateau.

    python benchmarks/record_curves.py FOLDER [--shards PACKED] [--steps 6000]

Six runs of the tiny towers at a constant rate: 100, 300 and 1,000 pairs of the phantom, and of a packed data set if one
is given. Recorded files hold numbers only, no id and no text. A run that is recorded is not run again.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
from common import tell

from radsweep.config.trial import Trial
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.phantom import write_phantom
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.store.records import Validation
from radsweep.training import loop
from radsweep.training.context import RunContext
from radsweep.training.task import CONTINUE, STOP
from radsweep.training.trainer import TrialRecipe

SIZES = (100, 300, 1000)
NEVER = 10**9  # validations before a plateau is looked for
RANK = "val/text_to_image/mean_reciprocal_rank"  # its parts are 1 / rank


def prepared(shards: Path) -> PreparedData:
    index = read_index(shards)
    reports = zip(index.splits["train"].patient_ids, index.reports["train"], strict=True)
    return prepare_in_process(index, train_tokenizer(reports, 8000), 64, 1)


def record(file: Path, data: PreparedData, pairs: int, steps: int, seed: int) -> None:
    """Train at the constant rate for `steps`, and write the ranks."""
    trial = Trial.model_validate(
        {
            "data": {"shards": "recorded", "pairs": pairs, "seed": seed},
            "train": {
                "until": "plateau", "max_steps": math.ceil(1.2 * steps), "patience": NEVER, "warmup": 0.01,
                "batch_size": 64, "learning_rate": 1e-3, "weight_decay": 0.05, "seed": seed,
            },
            "evaluate": {"select": RANK},
        }
    )  # fmt: skip
    looks: list[tuple[int, np.ndarray]] = []

    def keep(validation: Validation) -> int:
        assert recipe.value_Q is not None
        looks.append((validation.step, np.round(1 / recipe.value_Q, 1)))
        if len(looks) % 25 == 0:
            tell(f"{file.name}: step {validation.step:,} of {steps:,}")
        return CONTINUE if validation.step < steps else STOP

    recipe = TrialRecipe(trial, data, RunContext(report=keep))
    training = loop.start(recipe)
    loop.run_loop(training, None)
    constant = [look for look in looks if look[0] <= steps]
    np.savez_compressed(
        file,
        step=np.array([step for step, _ in constant]),
        rank=np.array([rank_Q for _, rank_Q in constant], dtype=np.float32),
        warmup=training.schedule.warmup,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=Path, help="a packed data set, for three more runs")
    parser.add_argument("--steps", type=int, default=6000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="radsweep-") as folder:
        phantom = Path(folder) / "phantom"
        write_phantom(phantom, pairs=max(SIZES), validation=400, test=2, unpaired_images=0, unpaired_reports=0)
        for name, shards in (("phantom", phantom), ("packed", options.shards)):
            missing = [n for n in SIZES if not (options.folder / f"{name}-{n}.npz").exists()]
            if shards is None or not missing:
                continue
            data = prepared(shards)
            for pairs in missing:
                record(options.folder / f"{name}-{pairs}.npz", data, pairs, options.steps, seed=0)


if __name__ == "__main__":
    main()
