"""radsweep: find the low-data technique that helps a vision-language model of images and reports, on your data.

The names below are the Python interface; each is imported when it is first used, so that `radsweep --help` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radsweep.api.best import Best
    from radsweep.api.data import inspect, pack_csv
    from radsweep.api.evaluation import Evaluation, evaluate
    from radsweep.api.experiments import LoadedExperiment, load_experiment, plan, run
    from radsweep.api.models import LoadedModel, load_model
    from radsweep.api.reports import SweepReport
    from radsweep.api.sweeps import Sweep, open_sweep
    from radsweep.data.inspection.inspection import Inspection
    from radsweep.errors import InputError
    from radsweep.sweep.forecast.dry_run import DryRun

__version__ = "0.1.0"
__all__ = [
    "Best",
    "DryRun",
    "Evaluation",
    "InputError",
    "Inspection",
    "LoadedExperiment",
    "LoadedModel",
    "Sweep",
    "SweepReport",
    "evaluate",
    "inspect",
    "load_experiment",
    "load_model",
    "open_sweep",
    "pack_csv",
    "plan",
    "run",
]
_MODULES = {
    "api.best": ("Best",),
    "api.data": ("inspect", "pack_csv"),
    "api.evaluation": ("Evaluation", "evaluate"),
    "api.experiments": ("LoadedExperiment", "load_experiment", "plan", "run"),
    "api.models": ("LoadedModel", "load_model"),
    "api.reports": ("SweepReport",),
    "api.sweeps": ("Sweep", "open_sweep"),
    "data.inspection.inspection": ("Inspection",),
    "errors": ("InputError",),
    "sweep.forecast.dry_run": ("DryRun",),
}

if not TYPE_CHECKING:  # else a type checker would take any name

    def __getattr__(name: str) -> Any:
        """Import a name of the interface when it is first used (PEP 562)."""
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names:
                globals()[name] = value = getattr(import_module(f"radsweep.{module}"), name)
                return value
        raise AttributeError(f"module 'radsweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
