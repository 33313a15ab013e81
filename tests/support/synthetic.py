"""Random studies without shards; an epoch on one of several workers: `synthetic RANK WORLD OUT CASE ...`."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from radsweep.config.data import Data
from radsweep.config.load import trial_with
from radsweep.config.stages import adaptations_of
from radsweep.config.trial import Trial
from radsweep.data.loading.index import SplitIndex, sample_key
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from radsweep.data.text.tokenizer import load_tokenizer, train_tokenizer
from radsweep.training.adaptation import recipe_of
from radsweep.training.batches import Batch
from radsweep.training.collectives import Workers
from radsweep.training.context import RunContext
from radsweep.training.embedder import Embedder
from radsweep.training.evaluate_tasks import measure
from radsweep.training.learner import backward
from radsweep.training.loop import start, train_epoch
from radsweep.training.precision import Precision
from radsweep.training.saved_model import untrained_model
from radsweep.training.trainer import TrialRecipe

WORDS = ["heart", "lungs", "clear", "opacity", "effusion", "left", "right", "large", "small", "no", "nodule", "mass"]
PROMPTS = str(Path(__file__).with_name("prompts.yaml"))
COMPARING: dict[str, object] = {  # the other terms that compare studies
    "objective.local.weight": 1.0,
    "objective.neighbours.weight": 1.0,
    "objective.neighbours.bank": 16,
    "objective.text_ssl.weight": 1.0,
    "objective.text_ssl.kind": "simcse",
    "train.batch_size": 16,
}
# one of a few short sentences, so that texts of a batch become equal
SAME = {"objective.views.text": 2, "augment.text.sentences": "one"}
CASES = {
    "infonce": {},
    "sigmoid": {"objective.contrast.kind": "sigmoid"},
    "local": {"objective.local.weight": 1.0},
    "views": {"objective.views.image": 2, "objective.views.text": 2, "augment.text.sentences": "sample"},
    "batch norm": {"model.image.backbone": "resnet18", "model.image.channels": 1, "model.image.size": 32},
    "timm": {"model.image.backbone": "timm:test_efficientnet", "model.image.size": 32, "objective.local.weight": 1.0},
    "frozen batch norm": {
        "model.image.backbone": "timm:test_efficientnet",
        "model.image.size": 32,
        "model.image.freeze_batchnorm": True,
    },
    "image ssl": {"objective.image_ssl.weight": 1.0, "objective.image_ssl.hidden": 32, "objective.image_ssl.dim": 16},
    "simsiam": {
        "objective.image_ssl.weight": 1.0,
        "objective.image_ssl.kind": "simsiam",
        "objective.image_ssl.hidden": 32,
        "objective.image_ssl.dim": 16,
    },
    "moco": {
        "objective.image_ssl.weight": 1.0,
        "objective.image_ssl.kind": "moco",
        "objective.image_ssl.hidden": 32,
        "objective.image_ssl.dim": 16,
        "train.batch_size": 16,  # the second batch has the first one's keys in the queue
    },
    "moco stage": {
        "adapt.image.method": "moco",
        "adapt.image.data": "subset",
        "adapt.image.batch_size": 16,
        "adapt.image.hidden": 32,
        "adapt.image.dim": 16,
        "model.image.backbone": "resnet18",
        "model.image.size": 32,
    },
    "text ssl": {"objective.text_ssl.weight": 1.0},
    "simcse": {"objective.text_ssl.weight": 1.0, "objective.text_ssl.kind": "simcse"},
    "neighbours": {"objective.neighbours.weight": 1.0, "objective.neighbours.bank": 16, "train.batch_size": 16},
    "same report": SAME,
    "same report, sigmoid": SAME | {"objective.contrast.kind": "sigmoid"},
    "same report, other terms": SAME | COMPARING,
    "similar report, same patient": {
        "objective.positives.same_report": 0.3,
        "objective.positives.same_patient": "ignored",
    },
    "soft targets by reports": {"objective.contrast.targets.kind": "reports"} | SAME,
    "soft targets by labels": {"objective.contrast.targets.kind": "labels"},
    "views of one modality": SAME
    | {"objective.image_image.weight": 1.0, "objective.text_text.weight": 0.5, "objective.views.image": 2},
    "stochastic depth": {"model.image.backbone": "convnext_tiny", "model.image.size": 32},
    "mae": {
        "adapt.image.method": "mae",
        "adapt.image.data": "subset",
        "adapt.image.batch_size": 24,
        "adapt.image.decoder_width": 32,
        "adapt.image.decoder_layers": 1,
        "model.image.backbone": "tiny-vit",
        "model.image.size": 32,
    },
}


MEASURED = {
    "evaluate.tasks": ["retrieval", "zero_shot", "linear_probe"],
    "evaluate.zero_shot.prompts": PROMPTS,
    "evaluate.linear_probe.fractions": [1.0],
}


def synthetic_data(train: int = 32, held_out: int = 24, size: int = 16, seed: int = 0) -> PreparedData:
    """Studies with one or two images each, whose report names the bright corner of its images."""
    generator = np.random.default_rng(seed)
    splits, tokenizer = {}, ""
    for name, studies in (("train", train), ("validation", held_out), ("test", held_out)):
        first = np.concatenate([[0], np.cumsum(generator.integers(1, 3, studies))])
        corner = generator.integers(0, 4, studies)
        pixels = generator.integers(0, 80, (first[-1], 1, size, size), dtype=np.uint8)
        for study in range(studies):
            row, column = divmod(int(corner[study]), 2)
            half = size // 2
            rows = slice(row * half, (row + 1) * half)
            pixels[first[study] : first[study + 1], :, rows, column * half : (column + 1) * half] += 120
        reports = [
            " ".join(generator.choice(WORDS, generator.integers(3, 9))) + f". {WORDS[corner[study]]} seen. no change."
            for study in range(studies)
        ]
        tokenizer = tokenizer or train_tokenizer([(str(n), text) for n, text in enumerate(reports)], 200)
        ids = tuple(f"{name}-{study:04}" for study in range(studies))
        index = SplitIndex(
            ids,
            tuple(f"patient-{name}-{study // 2}" for study in range(studies)),
            first,
            np.arange(studies),
            np.array([sample_key(identifier) for identifier in ids]),
            np.stack([corner == 0, corner == 1], axis=1).astype(np.float32),
        )
        block = {"image": np.arange(first[-1]), "pixels": pixels}
        splits[name] = PreparedSplit(
            index,
            load_tokenizer(tokenizer).tokenise(reports),
            (block,),
            np.zeros(first[-1], dtype=np.int32),
            np.arange(first[-1]),
        )
    return PreparedData(splits, tokenizer, "synthetic", 0, name="synthetic", labels=("upper left", "upper right"))


def synthetic_trial(**values: object) -> Trial:
    base = Trial(data=Data(shards="synthetic"))
    small = {
        "model.image.size": 16,
        "model.dim": 32,
        "train.batch_size": 32,
        "train.learning_rate": 1e-3,
        "train.until": "steps",
        "train.steps": 12,
        "evaluate.every_steps": 4,
    }
    return trial_with(base, small | values)


def one_step(case: str, workers: Workers, parts: int = 1, device: str = "cpu") -> tuple[float, dict[str, np.ndarray]]:
    """Return the loss of the first epoch's last batch and the gradient of every parameter, without an optimiser step.

    They are those of the adaptation stage if the trial has one.
    """
    trial = synthetic_trial(**CASES[case])
    data = synthetic_data(size=trial.model.image.size)
    stage = adaptations_of(trial).get("image")
    context = RunContext(workers, torch.device(device))
    recipe = recipe_of(stage, data, context) if stage else TrialRecipe(trial, data, context)
    start(recipe)
    learner = recipe.learner.double()  # float32 differs by more in a deep network, in any order
    for batch in recipe.batches(0):
        batch = dataclasses.replace(
            batch,
            pixels_bCSS=tuple(pixels.double() for pixels in batch.pixels_bCSS),
            ssl_pixels_bCSS=tuple(pixels.double() for pixels in batch.ssl_pixels_bCSS),
        )
        learner.zero_grad()
        if stage:
            loss, _ = recipe.backward(batch, Precision())
        else:
            loss, _ = backward(learner, batch, trial.objective, workers, parts)
    workers.average_gradients(learner.parameters())
    gradients = {
        name: parameter.grad.cpu().numpy()
        for name, parameter in learner.named_parameters()
        if parameter.grad is not None
    }
    return loss, gradients


def measured_metrics(workers: Workers) -> dict[str, float]:
    """Metrics of an untrained model on the test split: retrieval, zero-shot classification, linear probe."""
    trial = synthetic_trial(**MEASURED)
    data = synthetic_data()
    model = untrained_model(trial, data.tokenizer)
    tokens = trial.model.text.max_tokens
    embedder = Embedder(model, load_tokenizer(data.tokenizer), tokens, torch.device("cpu"), workers)
    return measure(embedder, data, "test", trial).metrics


def odd_sizes(workers: Workers, studies: int) -> dict[str, list[float]]:
    """Return the losses of an epoch of a trial and of a stage, and metrics, on few studies that no number divides."""
    values = {
        "train.batch_size": 30,
        "train.workers": workers.world,
        "adapt.image.method": "simclr",
        "adapt.image.data": "subset",
        "adapt.image.batch_size": 30,
        "adapt.image.hidden": 32,
        "adapt.image.dim": 16,
    }
    trial, data = synthetic_trial(**values), synthetic_data(train=studies, held_out=4)
    context, precision = RunContext(workers), Precision()
    recipe, stage = TrialRecipe(trial, data, context), recipe_of(adaptations_of(trial)["image"], data, context)
    found = {"metrics": list(recipe.measure().values()), "held out": list(stage.measure().values())}
    for name, course in (("trial", recipe), ("stage", stage)):
        start(course)
        found[name] = [course.backward(batch, precision)[0] for batch in course.batches(0)]
    return found


def scaled_step(workers: Workers) -> list[float]:
    """Return weight, steps and scale after two steps in fp16, of which the gradient of worker 1 alone overflows once.

    On a CPU the scaler's part of it: what it does to gradients, weights and the schedule.
    """
    recipe = TrialRecipe(synthetic_trial(**{"train.workers": workers.world}), synthetic_data(), RunContext(workers))
    training = start(recipe)
    training.precision = Precision(scaler=torch.amp.GradScaler("cpu", init_scale=2.0**16))
    backward_pass, calls = recipe.backward, []

    def overflowing(batch: Batch, precision: Precision) -> tuple[float, dict[str, float]]:
        found = backward_pass(batch, precision)
        calls.append(1)
        if len(calls) == 1 and workers.rank == workers.world - 1:
            next(p.grad for p in recipe.learner.parameters() if p.grad is not None).fill_(float("inf"))
        return found

    recipe.backward = overflowing  # type: ignore[method-assign]
    for _ in range(2):
        train_epoch(training)
    weights = [float(p.detach().double().sum()) for p in recipe.learner.parameters()]
    return [*weights, training.outcome.steps, training.precision.scaler.get_scale()]


def momentum_state(workers: Workers) -> list[float]:
    """Return sums of everything that a stage of MoCo keeps, after two epochs of steps: slow tower, queue and place."""
    values = CASES["moco stage"] | {"adapt.image.batch_size": 30, "adapt.image.epochs": 2, "train.batch_size": 30}
    trial = synthetic_trial(**values | {"train.workers": workers.world})
    recipe = recipe_of(adaptations_of(trial)["image"], synthetic_data(size=32), RunContext(workers))
    training = start(recipe)
    for _ in range(2):
        train_epoch(training)
    state = recipe.learner.state_dict()
    counters = "num_batches_tracked"  # ours counts nothing: only a momentum of None needs it
    return [float(tensor.double().abs().mean()) for name, tensor in state.items() if not name.endswith(counters)]


def main_odd(rank: int, world: int, out: Path, studies: list[int]) -> None:
    """One of several workers: results of `odd_sizes`, `scaled_step` and `momentum_state`, written by every worker."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out / 'init'}", rank=rank, world_size=world)
    workers = Workers(rank, world)
    found = {str(number): odd_sizes(workers, number) for number in studies}
    if 32 % world == 0:
        found["scaled"] = {"step": scaled_step(workers)}
    found["moco"] = {"state": momentum_state(workers)}
    (out / f"{rank}.json").write_text(json.dumps(found))


def main(rank: int, world: int, out: Path, cases: list[str]) -> None:
    """One of several workers: the losses and gradients of the cases, written by worker 0."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out / 'init'}", rank=rank, world_size=world)
    metrics = measured_metrics(Workers(rank, world))
    if rank == 0:
        (out / "measured.json").write_text(json.dumps(metrics))
    for case in cases:
        loss, gradients = one_step(case, Workers(rank, world))
        if rank == 0:
            np.savez(out / f"{case}.npz", **gradients)
            (out / f"{case}.json").write_text(json.dumps(loss))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
