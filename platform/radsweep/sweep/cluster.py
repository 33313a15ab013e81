"""The Ray that a sweep runs on: one that is there, or a local one; and how many slots it has room for."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import radsweep
from radsweep.errors import InputError
from radsweep.spec.experiment import Run
from radsweep.spec.trial import Trial
from radsweep.sweep.tokens import require_token


@dataclass(frozen=True)
class Room:
    """Slots that fit, and what each worker of a slot reserves."""

    slots: int
    workers: int
    cpus: float
    gpus: float

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @property
    def resources(self) -> dict[str, float]:
        return {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})


def connect() -> None:
    """Join the cluster of RAY_ADDRESS (set inside a job), else start a local Ray.

    Workers of a cluster get this very package, whatever their environment has installed.

    Raises:
        InputError: a cluster that cannot be reached, or a local one that does not start.
    """
    import ray

    if ray.is_initialized():
        return
    for name in ("ray", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # pages of traceback; our own lines tell what happens
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        from ray._raylet import Config  # type: ignore[attr-defined]

        require_token()
        Config.initialize("")  # Ray read its settings when it was imported, and would send no token
        try:
            # the dashboard's state API is what frees the workers of a slot that died
            ray.init(include_dashboard=True, configure_logging=True, **quiet)
        except Exception as error:  # half a minute without an answer is the end for Ray; a busy machine takes longer
            line = " ".join(str(error).split())[:200]
            raise InputError(
                f"Ray does not start on this machine ({line}); is it very busy, or out of memory?"
            ) from None
        return
    if os.environ.get("RAY_AUTH_TOKEN"):
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray takes no notice of a token alone
    try:
        ray.init(runtime_env={"py_modules": [str(Path(radsweep.__file__).parent)]}, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"no Ray cluster at RAY_ADDRESS={address} ({line}); unset it to run locally") from None


def object_store() -> float:
    """Bytes of the cluster's object store."""
    import ray

    return float(ray.cluster_resources().get("object_store_memory", 0.0))


def room(run: Run, trial: Trial) -> Room:
    """How many trials fit at once.

    Raises:
        InputError: not even one; Ray would wait for ever.
    """
    import ray

    total = ray.cluster_resources()
    return room_in(total.get("CPU", 0.0), total.get("GPU", 0.0), run, trial)


def room_in(cpus: float, gpus: float, run: Run, trial: Trial) -> Room:
    """As `room`, of so many CPUs and GPUs."""
    if trial.data.source == "streamed":
        cpus -= 1  # for Ray Data, which would wait for ever if workers reserved every CPU
    per_worker = run.gpus_per_worker if run.gpus_per_worker is not None else float(gpus > 0)
    workers = trial.train.workers
    fitting = int(cpus // (run.cpus_per_worker * workers) if workers else 0)
    if per_worker:
        fitting = min(fitting, int(gpus / (per_worker * workers) + 1e-9))
    if fitting < 1:
        raise InputError(
            f"run: a trial needs {workers} x {run.cpus_per_worker:g} CPUs and {workers} x {per_worker:g} GPUs, the "
            f"cluster has {cpus:g} and {gpus:g} for it; lower train.workers, run.cpus_per_worker or run.gpus_per_worker"
        )
    if run.slots and run.slots > fitting:
        raise InputError(f"run.slots: {run.slots} slots asked for, the cluster has room for {fitting}")
    return Room(run.slots or fitting, workers, run.cpus_per_worker, per_worker)
