"""Input cost of 8 trials divided by the input cost of one.

The input cost of k trials has two parts. The shards are decoded and tokenised with Ray Data, once. Then each trial, in
a process that has not seen the data, opens it in the object store and reads one epoch of batches. The record of a sweep
with as many trials has the number of decoded images.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from common import Figures, phantom, random_search, run, short_trial, tell


def measure(folder: Path, quick: bool) -> Figures:
    import ray

    from radsweep.cluster.connect import connect
    from radsweep.console import Console
    from radsweep.data.loading.decode import read_index
    from radsweep.store.store import Store
    from radsweep.sweep.preparation.prepare import Preparations
    from radsweep.sweep.run import run_sweep

    trials = 2 if quick else 8
    shards = phantom(folder, 64 if quick else 3000, quick)
    connect()
    one_step = short_trial(shards, {"train.until": "steps", "train.steps": 1})
    tell(f"A sweep of {trials} trials")
    sweep = run_sweep(random_search(one_step, trials, 1, folder))
    tell("The cost of input")
    began = time.perf_counter()
    preparations = Preparations(read_index(shards), Store(folder / "store"), Console())
    preparations.make([one_step])
    prepare_s = time.perf_counter() - began
    (reference,) = preparations.references.values()
    read = ray.remote(max_calls=1)(read_epoch)  # one process for each trial
    trial_s = [ray.get(read.remote(one_step.model_dump(mode="json"), reference)) for _ in range(trials)]
    index = preparations.shards.splits
    return {
        "trials": int(sweep.cost["trials_run"]),
        "images": sum(split.images for split in index.values()),
        "decoded": int(sweep.cost["images_decoded"]),
        "cost_ratio": (prepare_s + sum(trial_s)) / (prepare_s + trial_s[0]),
        "prepare_s": prepare_s,
        "trial_s": sum(trial_s) / trials,
    }


def read_epoch(spec: dict[str, Any], data: Any) -> float:
    """Return the seconds to open the prepared data and to read the pixels and tokens of one epoch."""
    import numpy as np
    import ray

    from radsweep.augment.text import text_batch
    from radsweep.config.trial import Trial
    from radsweep.data.loading.epochs import epoch_batches, image_of_view
    from radsweep.data.text.tokenizer import load_tokenizer

    trial = Trial.model_validate(spec)
    began = time.perf_counter()
    opened = ray.get(data[0]).materialise(ray.get)
    tokenizer = load_tokenizer(opened.tokenizer)
    split = opened.splits["train"]
    for rows in epoch_batches(np.arange(len(split.index)), trial.train.batch_size, 0, 0):
        split.pixels(image_of_view(split.index, rows, 0, 0, 0))
        text_batch(split.reports.take(rows), tokenizer.special, trial.model.text.max_tokens)
    return time.perf_counter() - began


if __name__ == "__main__":
    run(measure)
