from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError

from radsweep.config.model import ImageTower, Model, TextTower
from radsweep.errors import InputError
from radsweep.models import hub
from radsweep.models.backbone_checks import check_model
from radsweep.models.hub import Unreadable, find_file, has_file, read_json


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and nothing remembered from another test."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    hub._ask.cache_clear()
    hub._fetch.cache_clear()


def answer(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[tuple[str, float]]:
    """The hub answers every question with `error`; the questions are noted, with the time they allow."""
    asked: list[tuple[str, float]] = []

    def question(url: str, timeout: float, **_: Any) -> None:
        asked.append((url, timeout))
        raise error

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", question)
    return asked


def cached(folder: Path, name: str, file: str, content: str) -> None:
    """As the library keeps a file of the hub."""
    place = folder / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs/main").write_text("0" * 40)
    (snapshot / file).write_text(content)


def test_files_of_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert find_file(str(tmp_path), "config.json") == tmp_path / "config.json"
    assert (has_file(str(tmp_path), "config.json"), has_file(str(tmp_path), "other")) == (True, False)
    assert read_json(str(tmp_path), "config.json") == {"a": 1}
    assert read_json(str(tmp_path), "other.json") is None
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(Unreadable, match=r"its config\.json is not JSON"):
        read_json(str(tmp_path), "config.json")


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("model.text.backbone", Model(text=TextTower(backbone="some/where"))),
        ("model.image.backbone", Model(image=ImageTower(backbone="some/where", weights="pretrained"))),
        ("model.pretrained", Model.model_validate({"pretrained": "some/where"})),
    ],
)
def test_a_hub_that_cannot_be_reached_is_asked_once_and_briefly(
    key: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer(monkeypatch, ConnectionError("name or service not known"))
    with pytest.raises(
        InputError, match=rf"{key}: some/where is neither .* cannot be read \(name or service not known"
    ):
        check_model(model)
    assert len(asked) == 1
    assert asked[0][0].endswith("some/where/resolve/main/config.json")
    assert asked[0][1] <= 10


def test_what_was_fetched_before_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    cached(tmp_path, "some/bert", "config.json", json.dumps({"model_type": "bert", "max_position_embeddings": 64}))
    check_model(Model(text=TextTower(backbone="some/bert", max_tokens=64)))
    with pytest.raises(InputError, match=r"model\.text\.max_tokens: some/bert has positions for 64"):
        check_model(Model(text=TextTower(backbone="some/bert", max_tokens=65)))


def test_a_file_that_a_repository_lacks_is_distinguished_from_a_hub_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer(monkeypatch, EntryNotFoundError("no such file"))
    assert find_file("some/model", "config.json") is None
    with pytest.raises(InputError, match=r"model\.text\.backbone: some/model holds no config\.json"):
        check_model(Model(text=TextTower(backbone="some/model")))
