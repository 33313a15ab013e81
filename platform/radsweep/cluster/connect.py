"""Connect to the Ray cluster that a sweep runs on, or start a local one."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import radsweep
from radsweep.cluster.auth import require_token
from radsweep.errors import InputError


def connect() -> None:
    """Join the cluster of RAY_ADDRESS (set inside a job), else start a local Ray.

    Workers of a cluster get the package of this process, whatever their environment has installed.

    Raises:
        InputError: the cluster cannot be reached, or a local one does not start.
    """
    import ray

    if ray.is_initialized():
        return
    for name in ("ray", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # pages of traceback; our own lines report failures
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        require_token()
        try:
            # the dashboard's state API frees the workers of a slot that died
            ray.init(include_dashboard=True, configure_logging=True, **quiet)
        except Exception as error:  # Ray gives up after half a minute; a busy machine takes longer
            line = " ".join(str(error).split())[:200]
            raise InputError(
                f"Ray does not start on this machine ({line}); check that it is not out of memory or overloaded"
            ) from None
        return
    try:
        ray.init(runtime_env={"py_modules": [str(Path(radsweep.__file__).parent)]}, **quiet)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"cannot join the Ray cluster at RAY_ADDRESS={address} ({line}); unset RAY_ADDRESS to run locally"
        ) from None
