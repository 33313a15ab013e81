"""Nodes that do not see what a sweep needs are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.cluster.node_files import check_nodes, missing_paths
from radsweep.errors import InputError


def test_a_node_reports_the_paths_that_it_does_not_see(tmp_path: Path) -> None:
    (path, why), *rest = missing_paths([str(tmp_path), str(tmp_path / "manifest.json")]).items()
    assert (path, rest) == (str(tmp_path / "manifest.json"), [])
    assert "that all nodes share" in why


@pytest.mark.usefixtures("ray_session")
def test_a_single_node_is_checked_too(tmp_path: Path) -> None:
    check_nodes(tmp_path, {str(tmp_path): ("data.shards", "here")})
    with pytest.raises(InputError, match=r"^model.pretrained: /nowhere does not exist"):
        check_nodes(tmp_path, {"/nowhere": ("model.pretrained", "/nowhere")})
