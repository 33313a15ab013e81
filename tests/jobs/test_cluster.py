"""Files for `ray up` are valid, and agree with the pinned versions."""

from __future__ import annotations

import copy
import importlib.metadata
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parents[2]
Config = dict[str, Any]


def read(name: str) -> Config:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(params=["cluster.yaml", "jobs/machines.yaml"])
def cluster(request: pytest.FixtureRequest) -> Config:
    return read(request.param)


def test_ray_accepts_the_file_and_refuses_it_with_a_misspelt_key(cluster: Config) -> None:
    validate_config(prepare_config(copy.deepcopy(cluster)))
    misspelt = prepare_config(cluster) | {"head_setup_command": []}
    with pytest.raises(jsonschema.ValidationError, match="head_setup_command"):
        validate_config(misspelt)


def test_the_image_has_the_pinned_ray_and_python() -> None:
    cluster = read("cluster.yaml")
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert cluster["docker"]["image"].startswith(f"rayproject/ray:{pinned[1]}-py311")
    assert importlib.metadata.version("ray") == pinned[1]


def test_files_that_are_sent_to_the_machines_are_in_the_repository(cluster: Config) -> None:
    own = [local for local in cluster["file_mounts"].values() if not local.startswith("~")]
    assert "platform" in own
    assert [path for path in own if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_nodes_start_with_a_token_and_without_an_open_dashboard(cluster: Config, kind: str) -> None:
    start = cluster[f"{kind}_start_ray_commands"][-1]
    assert start.index("RAY_AUTH_MODE=token") < start.index("ray start")
    assert "0.0.0.0" not in start
