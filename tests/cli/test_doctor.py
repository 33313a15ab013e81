"""Check what a sweep needs on a real Ray and a real MLflow: missing things are named with their remedy."""

from __future__ import annotations

import importlib.metadata
import json
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def file(tmp_path: Path, phantom: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"experiment: mine\ndata: {{shards: {phantom}, pairs: 20}}\nmodel: {{image: {{size: 32}}}}\n"
        "train: {batch_size: 10}\nablation: {arms: {baseline: {}}}\nrun: {slots: 1}\n"
    )
    return path


@pytest.fixture
def examined(run: Callable[..., Any], file: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    """Return missing things by name; the exit code is 0 if nothing is missing."""

    def doctor(*changes: str) -> dict[str, dict[str, Any]]:
        ended = run("doctor", file, "--json", *(part for change in changes for part in ("--set", change)))
        found = json.loads(ended.out)
        assert len(found) >= 6
        missing = {one["what"]: one for one in found if not one["fine"]}
        assert ended.code == (1 if missing else 0)
        assert all(one["remedy"] for one in missing.values())
        return missing

    return doctor


def test_a_complete_setup_has_nothing_missing(
    examined: Callable[..., Any], run: Callable[..., Any], file: Path
) -> None:
    assert examined() == {}
    told = run("doctor", file).out
    assert told.count("fine") == len(told.splitlines()) >= 9
    assert "versions" in told
    assert "slots for 1 at once" in told


def test_a_full_or_nearly_full_disk_is_reported(examined: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        found = examined("run.tracking_uri=http://127.0.0.1:9")["store"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "cannot write even 1 MiB" in found["told"]
    assert "free space" in found["remedy"]
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=300 * 2**20))
    assert "300 MiB free" in examined()["store"]["told"]


def test_a_tracking_server_that_is_down_is_reported(examined: Callable[..., Any]) -> None:
    missing = examined("run.tracking_uri=http://me:qzsecret@127.0.0.1:9")
    assert list(missing) == ["tracking server"]
    assert "http://127.0.0.1:9 does not answer" in missing["tracking server"]["told"]
    assert "qzsecret" not in str(missing)


def test_a_request_for_too_many_cpus_is_reported(examined: Callable[..., Any]) -> None:
    assert "1 x 1000 CPUs" in examined("run.cpus_per_worker=1000")["resources"]["told"]
    arms = '{"baseline": {}, "many": {"train.workers": 10, "train.batch_size": 20}}'
    assert "a trial of many needs 10 x 1 CPUs" in examined(f"ablation.arms={arms}")["resources"]["told"]


def test_damaged_or_missing_shards_are_reported(examined: Callable[..., Any], phantom: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(phantom, copy)
    shard = next(copy.rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-100])
    assert shard.name in examined(f"data.shards={copy}")["data"]["told"]
    assert str(tmp_path / "nowhere") in examined(f"data.shards={tmp_path / 'nowhere'}")["data"]["told"]


def test_a_node_with_another_version_is_reported(examined: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    own = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9.9" if name == "pyarrow" else own(name))
    missing = examined()
    assert list(missing) == ["versions"]
    assert f"has pyarrow {own('pyarrow')}, here 9.9.9" in missing["versions"]["told"]


def test_tasks_that_the_data_cannot_serve_are_reported(
    examined: Callable[..., Any], tmp_path: Path, phantom: Path
) -> None:
    zero_shot, nowhere = "evaluate.tasks=[zero_shot]", tmp_path / "nowhere.yaml"
    missing = examined(zero_shot, f"evaluate.sets=[{nowhere}]")
    assert list(missing) == ["further sets", "paths"]
    assert f"evaluate.sets: {nowhere} does not exist" in missing["paths"]["told"]
    missing = examined(zero_shot, f"evaluate.zero_shot.prompts={nowhere}")
    assert list(missing) == ["paths", "evaluation"]
    assert f"evaluate.zero_shot.prompts: {nowhere} does not exist" in missing["paths"]["told"]
    assert "have the same name" in examined(zero_shot, f"evaluate.sets=[{phantom}]")["evaluation"]["told"]
    unlabelled = tmp_path / "unlabelled"
    shutil.copytree(phantom, unlabelled)
    manifest = json.loads((unlabelled / "manifest.json").read_text())
    (unlabelled / "manifest.json").write_text(json.dumps(manifest | {"labels": []}))
    missing = examined(zero_shot, f"data.shards={unlabelled}")
    assert list(missing) == ["evaluation"]
    assert "zero_shot needs labels" in missing["evaluation"]["told"]


def test_missing_weights_are_reported(examined: Callable[..., Any], tmp_path: Path, file: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    missing = examined(f"model.text={{backbone: {tmp_path}, weights: pretrained}}")
    assert list(missing) == ["weights"]
    assert missing["weights"]["told"].startswith(f"{file}: model.text.backbone: {tmp_path} has no weights")


def test_streamed_images_are_reported_if_cached_ones_are_needed(examined: Callable[..., Any]) -> None:
    adapted = examined("data.source=streamed", "adapt.image.method=simclr")
    assert list(adapted) == ["object store"]
    assert "adapt.image: its images must fit" in adapted["object store"]["told"]
    probed = examined("data.source=streamed", "evaluate.tasks=[linear_probe]")
    assert "they are streamed here" in probed["evaluation"]["told"]


def test_more_pairs_than_a_fold_has_are_reported(examined: Callable[..., Any]) -> None:
    assert "3 folds" in examined("data.folds=3", "data.pairs=159")["data"]["told"]
