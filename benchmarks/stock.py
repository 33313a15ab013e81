"""The stock recipe that Ray documents: a Tune function that builds a TorchTrainer for each trial and calls fit.

Its training loop is radsweep's, and it gets radsweep's prepared data from the object store at no cost.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
from common import Figures
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.training import checkpoint
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.loop import start, train_epoch, validate
from radsweep.training.trainer import TrialRecipe, conclude


def run_stock(trial: Trial, tuning: tune.TuneConfig, space: dict[str, Any], data: Any, folder: Path) -> list[Figures]:
    """Run the trials of `tuning` and `space` (dotted keys). Return the figures of each, in the order of their starts.

    Args:
        data: [reference to the prepared data].
    """
    outcomes = folder / "outcomes"
    outcomes.mkdir()
    settings = {"trial": trial.model_dump(mode="json"), "folder": str(folder)}
    driver = tune.with_parameters(fit_trial, settings=settings, data=data)
    # The driver only reserves a byte of memory, so that the CPUs are for the workers, as in radsweep's slots.
    tune.Tuner(
        tune.with_resources(driver, {"memory": 1}),
        param_space=space,
        tune_config=tuning,
        run_config=tune.RunConfig(storage_path=str(folder), name="tune", verbose=0),
    ).fit()
    noted = [json.loads(file.read_text(encoding="utf-8")) for file in outcomes.iterdir()]
    return sorted(noted, key=lambda outcome: outcome["timestamps"]["first_step"])


def fit_trial(config: dict[str, Any], settings: dict[str, Any], data: Any) -> None:
    """Run one trial of Tune, in a worker group of its own."""
    trial = trial_with(Trial.model_validate(settings["trial"]), config)
    name = tune.get_context().get_trial_id()
    ray.train.torch.TorchTrainer(
        train_loop,
        train_loop_config={"trial": trial.model_dump(mode="json"), "data": data, "folder": settings["folder"]},
        scaling_config=ray.train.ScalingConfig(num_workers=trial.train.workers, resources_per_worker={"CPU": 1}),
        run_config=ray.train.RunConfig(
            storage_path=settings["folder"], name=f"train-{name}", callbacks=[TuneReportCallback()]
        ),
    ).fit()


def train_loop(config: dict[str, Any]) -> None:
    """Train like `radsweep.training.trainer.train`, but report from every worker, as Ray Train requires."""
    import time

    import torch

    ray_context = ray.train.get_context()
    workers = Workers(ray_context.get_world_rank(), ray_context.get_world_size())
    trial = Trial.model_validate(config["trial"])
    torch.set_num_threads(trial.train.threads)
    data = ray.get(config["data"][0]).materialise(ray.get)
    recipe = TrialRecipe(trial, data, RunContext(workers, ray.train.torch.get_device()))
    training = start(recipe)
    outcome = training.outcome
    while not training.finished:
        validation = validate(training, train_epoch(training))
        outcome.timestamps["last_report"] = time.time()
        ray.train.report(validation.metrics)
    recipe.result.load_state_dict(training.selected)
    conclude(recipe, read_test=False)
    if workers.rank == 0:
        began = time.perf_counter()
        name = ray_context.get_experiment_name()
        state = {"trial": config["trial"], "tokenizer": data.tokenizer, "data": data.fingerprint}
        weights = {checkpoint.WEIGHTS: training.selected}
        checkpoint.write_folder(Path(config["folder"]) / "checkpoints" / name, weights, state)
        outcome.seconds["checkpoint"] = time.perf_counter() - began
        noted = {
            "learning_rate": trial.train.learning_rate,
            "score": outcome.best[trial.evaluate.select],
            "timestamps": outcome.timestamps,
            "seconds": outcome.seconds,
        }
        (Path(config["folder"]) / "outcomes" / f"{name}.json").write_text(json.dumps(noted), encoding="utf-8")
