"""Versions of the libraries that affect results, and a check that all nodes have the same."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import defaultdict
from functools import cache

import radsweep
from radsweep.cluster.node_files import ANSWER_WITHIN
from radsweep.config.objective import Objective
from radsweep.config.terms import TermSettings
from radsweep.errors import InputError

LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "numpy", "scikit-learn", "pillow")
TIMM_MODELS = "timm"  # of trials with an image tower of that library
OF_TERMS = tuple(library for _, term in Objective() if isinstance(term, TermSettings) for library in term.libraries)

# driver and workers must have the same
COMPARED = (*LIBRARIES, TIMM_MODELS, *OF_TERMS, "ray", "pydantic", "pyarrow")


@cache
def versions() -> dict[str, str]:
    """Return the versions of radsweep and of the libraries that affect results."""
    return {"radsweep": radsweep.__version__} | {
        name: importlib.metadata.version(name)
        for name in (*LIBRARIES, TIMM_MODELS, *OF_TERMS, "ray", "optuna", "mlflow")
    }


def own_versions() -> dict[str, str]:
    """Return this process's versions of Python and of the libraries through which driver and workers exchange data."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in COMPARED}


def check_versions() -> str:
    """Check that every node runs the same library versions as this process; return a line that says on how many nodes.

    Raises:
        InputError: the error names each node that differs or does not answer, and the versions that differ.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = own_versions()
    look = ray.remote(num_cpus=0, max_retries=0)(own_versions)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(): name
        for node, name in nodes.items()
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN)
    differ: defaultdict[str, list[str]] = defaultdict(list)
    for answer in answered:
        try:
            found = ray.get(answer)
        except ray.exceptions.RayError as error:
            differ[asked[answer]].append(f"does not answer ({type(error).__name__})")
            continue
        differences = [
            f"{name} {found[name]}, here {version}" for name, version in own.items() if found[name] != version
        ]
        differ[asked[answer]] += differences
    for answer in silent:
        differ[asked[answer]].append(f"does not answer within {ANSWER_WITHIN:.0f} s")
    if problems := [f"node {name} has {', '.join(differences)}" for name, differences in differ.items() if differences]:
        raise InputError("; ".join(problems))
    return f"the same on {len(nodes)} nodes: " + ", ".join(f"{name} {own[name]}" for name in ("python", "torch", "ray"))
