"""Interfaces of Ray that its documentation does not promise. No other module uses any.

Each function says why it needs one. `pyproject.toml` allows only minor releases of Ray in which they were tested.
"""

from __future__ import annotations


def let_actors_end(seconds: float) -> None:
    """Have Tune wait this long, when it ends, for actors that save a checkpoint or write a record.

    Tune kills them after 10 seconds by itself. Its setting TUNE_FORCE_TRIAL_CLEANUP_S is for actors that end earlier.
    """
    from ray.tune.execution.tune_controller import TuneController

    # Each controller sets its own value, which this ignores
    TuneController._actor_force_cleanup_timeout = property(lambda self: seconds, lambda self, own: None)


def keep_keys_out_of_logs() -> None:
    """Have Tune not hand cloud keys to its actors by name and value, since Ray logs those.

    Actors have the environment of their node, keys included. Tune has no setting for what it hands on.
    """
    from ray.tune.execution import class_cache

    handed = set(class_cache.ENV_VARS_TO_PROPAGATE)
    class_cache.ENV_VARS_TO_PROPAGATE = {name for name in handed if not name.startswith("AWS_")}
