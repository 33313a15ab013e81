"""Public models that are measured with a sweep."""

from __future__ import annotations

from pathlib import Path

from radsweep.config.data import Data
from radsweep.config.evaluation import shown_names
from radsweep.config.load import trial_with
from radsweep.config.trial import Trial
from radsweep.sweep.identity import cell_key


def test_names_distinguish_models_with_no_more_of_a_path_than_needed() -> None:
    names = ("openai/clip", "/home/me/clip", "/data/a/best/model", "/data/b/best/model")
    assert shown_names(names) == {
        "openai/clip": "openai/clip",
        "/home/me/clip": "me/clip",
        "/data/a/best/model": "a/best/model",
        "/data/b/best/model": "b/best/model",
    }
    assert shown_names(("/home/me/biovil",)) == {"/home/me/biovil": "biovil"}


def test_other_weights_in_a_models_folder_are_another_model(public_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in public_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    trial = trial_with(Trial(data=Data(shards="here")), {"model.pretrained": str(folder), "model.dim": 24})
    before = cell_key.reference_key(trial, "data", "cpu")
    assert cell_key.reference_key(trial, "data", "cpu") == before
    (folder / "model.safetensors").write_bytes(b"other")
    assert cell_key.reference_key(trial, "data", "cpu") != before
