"""A small experiment, for tests of designs."""

from __future__ import annotations

from typing import Any

from radsweep.config.load import parse_experiment

ARMS = {"baseline": {}, "local": {"objective.local.weight": 1}}


def experiment(**parts: Any) -> Any:
    size = {} if parts.get("ablation", {}).get("pairs") else {"pairs": 50}
    base = {"experiment": "x", "data": {"shards": "somewhere", "seed": 4} | size, "train": {"seed": 7}}
    return parse_experiment(base | parts, "x.yaml")


def key_of(trial: Any) -> str:
    return trial.model_dump_json()
