"""Wall-clock time of a search of 24 short trials, from the start of the process to its end.

- radsweep: a whole sweep, with MLflow, checkpoints and report, in two slots with one thread each.
- The stock recipe: two trials at once, with one thread each; it gets radsweep's prepared data.
- Plain PyTorch: the same trials one after another, in one process with two threads; data is decoded once.

All sides draw the same learning rates with Optuna and run the same training loop. Start-up is the time until the first
optimiser step of the first trial.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from common import LEARNING_RATES, Figures, phantom, quiet_output, random_search, run, short_trial, tell

from radsweep.config.experiment import Experiment

EPOCHS, PAIRS = 2, 512  # 16 steps and two validations: 3 to 6 s for each trial


def measure(folder: Path, quick: bool) -> Figures:
    trials, pairs = (3, 64) if quick else (24, PAIRS)
    shards = phantom(folder, pairs, quick)
    figures: Figures = {"trials": trials}
    noted: dict[str, Figures] = {}
    for side in SIDES:
        tell(f"{trials} trials: {side}")
        place = folder / side
        place.mkdir()
        began = time.time()
        command = [sys.executable, __file__, "--side", side, str(shards), str(place), str(trials)]
        printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        seconds = time.time() - began
        noted[side] = json.loads(printed)
        startup = min(timestamps["first_step"] for timestamps in noted[side]["timestamps"]) - began
        figures |= {f"{side}_s": seconds, f"{side}_startup_s": startup}
        figures[f"{side}_trial_s"] = statistics.median(noted[side]["seconds"])
    for side in SIDES:
        if not _same(noted[side]["learning_rates"], noted["ours"]["learning_rates"]):
            raise SystemExit(f"{side} did not run the same trials")
    after = {side: figures[f"{side}_s"] - figures[f"{side}_startup_s"] for side in SIDES}
    return figures | {
        "ratio_stock": figures["stock_s"] / figures["ours_s"],
        "ratio_plain": figures["ours_s"] / figures["plain_torch_s"],
        "ratio_stock_after_startup": after["stock"] / after["ours"],
        "ratio_plain_after_startup": after["ours"] / after["plain_torch"],
        "largest_score_difference": max(
            abs(a - b) for side in SIDES for a, b in zip(noted[side]["scores"], noted["ours"]["scores"], strict=True)
        ),
    }


def _same(these: list[float], those: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(these, those, strict=True))


def ours(experiment: Experiment, folder: Path) -> list[Figures]:
    from radsweep.store.store import Store
    from radsweep.sweep.run import run_sweep

    sweep = run_sweep(experiment)
    records = Store(folder / "store").read_cells(cell.key for cell in sweep.cells)
    return [
        {
            "learning_rate": record.trial["train"]["learning_rate"],
            "score": record.best[sweep.select],
            "timestamps": record.timestamps,
            "seconds": record.seconds,
        }
        for record in records.values()
    ]


def stock(experiment: Experiment, folder: Path) -> list[Figures]:
    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch
    from stock import run_stock

    from radsweep.cluster.connect import connect
    from radsweep.console import Console
    from radsweep.data.loading.decode import read_index
    from radsweep.store.store import Store
    from radsweep.sweep.preparation.prepare import Preparations

    connect()
    trial = experiment.trial()
    preparations = Preparations(read_index(trial.data.shards), Store(folder / "store"), Console())
    preparations.make([trial])
    (reference,) = preparations.references.values()
    sampler = optuna.samplers.RandomSampler(seed=0)
    searcher = OptunaSearch(metric=trial.evaluate.select, mode="max", sampler=sampler)
    assert experiment.search is not None
    tuning = tune.TuneConfig(search_alg=searcher, num_samples=experiment.search.trials, max_concurrent_trials=2)
    low, high = LEARNING_RATES["loguniform"]
    return run_stock(trial, tuning, {"train.learning_rate": tune.loguniform(low, high)}, reference, folder)


def plain_torch(experiment: Experiment, folder: Path) -> list[Figures]:
    import optuna

    from radsweep.config.load import trial_with
    from radsweep.data.loading.decode import prepare_in_process, read_index
    from radsweep.data.text.tokenizer import train_tokenizer
    from radsweep.training.trainer import train

    base = trial_with(experiment.trial(), {"train.threads": 2})
    image, text = base.model.image, base.model.text
    shards = read_index(base.data.shards)
    reports = zip(shards.splits["train"].patient_ids, shards.reports["train"], strict=True)
    data = prepare_in_process(shards, train_tokenizer(reports, text.vocabulary), image.size, image.channels)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    noted: list[Figures] = []

    def objective(asked: optuna.Trial) -> float:
        low, high = LEARNING_RATES["loguniform"]
        trial = trial_with(base, {"train.learning_rate": asked.suggest_float("rate", low, high, log=True)})
        place = folder / str(asked.number)
        outcome = train(trial, data, folder=place)
        score = outcome.best[trial.evaluate.select]
        noted.append(
            {
                "learning_rate": trial.train.learning_rate,
                "score": score,
                "timestamps": outcome.timestamps,
                "seconds": outcome.seconds,
            }
        )
        return score

    assert experiment.search is not None
    study.optimize(objective, n_trials=experiment.search.trials)
    return noted


SIDES: dict[str, Callable[[Experiment, Path], list[Figures]]] = {
    "ours": ours,
    "stock": stock,
    "plain_torch": plain_torch,
}


def run_side(side: str, shards: Path, folder: Path, trials: int) -> None:
    """Run one side, in a process of its own, and print the figures of its trials."""
    trial = short_trial(shards, {"train.epochs": EPOCHS})
    with quiet_output() as out:
        noted = SIDES[side](random_search(trial, trials, 2, folder), folder)
        noted.sort(key=lambda trial: trial["learning_rate"])
        parts = ("training", "evaluation", "checkpoint")
        columns = {
            "learning_rates": [trial["learning_rate"] for trial in noted],
            "scores": [trial["score"] for trial in noted],
            "timestamps": [trial["timestamps"] for trial in noted],
            "seconds": [sum(trial["seconds"][part] for part in parts) for trial in noted],
        }
        print(json.dumps(columns), file=out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        run_side(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    else:
        run(measure)
