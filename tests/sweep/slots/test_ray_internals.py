"""Undocumented interfaces of Ray that radsweep relies on still exist, and still do what they are used for."""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from radsweep.sweep.slots.interruption import SAVE_WITHIN, Interruption
from radsweep.sweep.slots.ray_internals import keep_keys_out_of_logs

CONTROLLER = "ray.tune.execution.tune_controller:TuneController"
CLASS_CACHE = "ray.tune.execution.class_cache"


def interface(path: str, purpose: str) -> Any:
    """Return the object at a path, or fail with a message that says what to change."""
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError):
        return pytest.fail(
            f"Ray {ray.__version__} has no {path}, which radsweep needs to {purpose}. Change "
            "sweep/slots/ray_internals.py, or the upper bound of ray in pyproject.toml."
        )


def test_a_removed_interface_fails_with_its_purpose() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"has no ray\.tune:Gone, which radsweep needs to wait\. Change"):
        interface("ray.tune:Gone", "wait")
    with pytest.raises(pytest.fail.Exception, match=r"has no ray\.gone:Tune, which"):
        interface("ray.gone:Tune", "wait")


class Saving:
    """Tune's actors, one of which needs 30 turns to end."""

    def __init__(self) -> None:
        self.turns, self.killed = 0, False

    def next(self, timeout: float) -> None:
        self.turns += 1

    def is_actor_started(self, tracked_actor: str) -> bool:
        return self.turns < 30

    def remove_actor(self, tracked_actor: str, kill: bool) -> None:
        self.killed = kill


def test_tune_waits_at_its_end_for_a_slot_that_saves(tmp_path: Path) -> None:
    purpose = f"let slots save for {SAVE_WITHIN:.0f} s when a sweep is interrupted"
    clean_up = interface(f"{CONTROLLER}._cleanup_stopping_actors", purpose)
    assert "self._actor_force_cleanup_timeout" in inspect.getsource(clean_up), (
        f"Ray {ray.__version__} does not read _actor_force_cleanup_timeout any more, which radsweep needs to {purpose}"
    )
    with Interruption(tmp_path):
        controller = object.__new__(interface(CONTROLLER, purpose))
        controller._actor_force_cleanup_timeout = 10  # as in Tune
        controller._actor_manager = Saving()
        controller._stopping_actors = {"slot": time.monotonic() - 60}
        controller._cleanup_stopping_actors(force_all=True)
    assert (controller._actor_manager.turns, controller._actor_manager.killed) == (30, False)
    assert controller._stopping_actors == {}


def test_tune_passes_no_cloud_key_to_an_actor_in_text_that_ray_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    purpose = "keep cloud keys out of Ray's logs"
    class_cache = interface(CLASS_CACHE, purpose)
    interface(f"{CLASS_CACHE}:ENV_VARS_TO_PROPAGATE", purpose)
    interface(f"{CLASS_CACHE}:_ActorClassCache", purpose)

    class Trainable:
        pass

    spec = importlib.util.find_spec(class_cache.__name__)
    assert spec is not None
    assert spec.loader is not None
    untouched = importlib.util.module_from_spec(spec)  # a sweep in this process may have changed it before
    spec.loader.exec_module(untouched)
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", set(untouched.ENV_VARS_TO_PROPAGATE))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "qzsecret")
    handed = class_cache._ActorClassCache().get(Trainable)._default_options["runtime_env"]["env_vars"]
    assert "qzsecret" in handed.values()  # as long as this holds, the function below is needed
    keep_keys_out_of_logs()
    handed = class_cache._ActorClassCache().get(Trainable)._default_options["runtime_env"]["env_vars"]
    assert "qzsecret" not in handed.values()
