"""A loaded model embeds files and texts as the evaluation embeds the packed pairs that were made of them."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import radsweep as rs
from radsweep.api.inputs import square
from radsweep.data.images.preprocessing import Preprocessing
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.loading.prepared import PreparedData
from radsweep.data.shards.dataset import MANIFEST
from radsweep.evaluation.retrieval import metrics_of, ranked
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.training.collectives import Workers
from radsweep.training.embedder import Embedder

CPU = torch.device("cpu")
Packed = Callable[[int | None], Path]


@pytest.fixture
def model(prepared: Any) -> rs.LoadedModel:
    return rs.load_model(prepared.folder / "checkpoint", device="cpu")


def decoded(
    shards: Path, tokenizer: str, size: int, channels: int, own: Preprocessing | None = None
) -> tuple[PreparedData, list[int]]:
    """The data set as evaluation reads it, and the row of each original, in their order."""
    data = prepare_in_process(read_index(shards, ("test",)), tokenizer, size, channels, own=own)
    with (shards / "private" / "ids.csv").open(encoding="utf-8") as file:
        study_of = {row["patient"]: row["hashed"] for row in csv.DictReader(file) if row["kind"] == "study"}
    ids = data.splits["test"].index.study_ids
    return data, [ids.index(study_of[f"p{number}"]) for number in range(len(ids))]


def tokenizer_of(model: rs.LoadedModel) -> str:
    state = Path(model.source) / "state.json"
    return json.loads(state.read_text())["tokenizer"] if state.exists() else model.trial.model.text.backbone


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("longest", [None, 64])
def test_an_original_becomes_exactly_the_pixels_of_training(
    packed: Packed, originals: list[Path], prepared: Any, model: rs.LoadedModel, longest: int | None, channels: int
) -> None:
    data, rows = decoded(packed(longest), tokenizer_of(model), 48, channels)
    for path, row in zip(originals, rows, strict=True):
        expected = data.splits["test"].pixels(np.array([row]))[0]
        assert np.array_equal(square(str(path), path, longest, 48, channels), expected), path.name


@pytest.mark.parametrize("public", [False, True])
def test_embeddings_are_those_of_the_evaluation(
    packed: Packed, originals: list[Path], reports: tuple[str, ...], prepared: Any, public_model: Path, public: bool
) -> None:
    model = rs.load_model(public_model if public else prepared.folder / "checkpoint", device="cpu")
    image = model.trial.model.image
    data, rows = decoded(packed(None), tokenizer_of(model), image.size, image.channels, preprocessing_of(image))
    embedder = Embedder(model.network, model.tokenizer, model.max_tokens, CPU, Workers())
    image_MD, text_SD = embedder.embed("test", data.splits["test"])
    np.testing.assert_allclose(model.embed_images(originals), image_MD[rows], atol=2e-6)
    np.testing.assert_allclose(model.embed_reports(reports), text_SD[rows], atol=2e-6)


def test_scores_rank_as_the_evaluation_does(
    packed: Packed, originals: list[Path], reports: tuple[str, ...], model: rs.LoadedModel
) -> None:
    found = rs.evaluate(model, packed(None))
    images, texts = model.embed_images(originals), model.embed_reports(reports)
    metrics = metrics_of(ranked(images, texts, np.arange(len(originals))))
    assert {name: found[f"test/{name}"] for name in metrics} == pytest.approx(metrics)
    np.testing.assert_allclose(model.score(originals, reports), images @ texts.T, atol=1e-6)


def test_the_batch_changes_nothing_and_the_order_is_kept(
    model: rs.LoadedModel, originals: list[Path], reports: tuple[str, ...]
) -> None:
    images, texts = model.embed_images(originals), model.embed_reports(reports)
    assert images.shape == texts.shape == (8, model.dim)
    assert images.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-6)
    for size in (1, 3):
        np.testing.assert_allclose(model.embed_images(iter(originals), batch_size=size), images, atol=2e-6)
        np.testing.assert_allclose(model.embed_reports(iter(reports), batch_size=size), texts, atol=2e-6)
    np.testing.assert_allclose(model.embed_images(originals[::-1]), images[::-1], atol=2e-6)
    np.testing.assert_allclose(model.embed_reports(reports[3]), texts[3:4], atol=2e-6)
    assert model.embed_images([]).shape == (0, model.dim)
    assert len(np.unique(images.round(4), axis=0)) == 8, "the images differ, so that a wrong order would show"


@pytest.mark.parametrize("name", ["grey.png", "deep.png", "palette.png", "clear.png", "turned.jpg"])
def test_a_picture_in_memory_is_the_file_it_came_from(model: rs.LoadedModel, originals: list[Path], name: str) -> None:
    path = next(path for path in originals if path.name == name)
    with Image.open(path) as picture:
        np.testing.assert_allclose(model.embed_images(picture), model.embed_images(path), atol=0.02 * ("jpg" in name))


def test_arrays_and_tensors_of_one_picture_are_one(model: rs.LoadedModel) -> None:
    grey = np.random.default_rng(2).integers(0, 255, (40, 30), dtype=np.uint8)
    colour = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    for values in (grey, colour):
        tensor = torch.from_numpy(values)
        tensor = tensor if values.ndim == 2 else tensor.permute(2, 0, 1)
        expected, *same = model.embed_images(
            [Image.fromarray(values), values, values / 255, np.float16(values / 255), tensor, tensor.float() / 255]
        )
        for embedding in same:
            np.testing.assert_allclose(embedding, expected, atol=2e-6)
    several = np.stack([colour, colour[::-1]])
    expected = model.embed_images([colour, colour[::-1]])
    assert np.array_equal(model.embed_images(several), expected)
    assert np.array_equal(model.embed_images(torch.from_numpy(several).permute(0, 3, 1, 2)), expected)
    assert np.array_equal(model.embed_images(grey[None, ..., None]), model.embed_images(grey))
    bright = np.array([[0, 4000], [100, 65535]], dtype=np.uint16)
    assert np.array_equal(model.embed_images(bright), model.embed_images(Image.fromarray(bright)))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("nowhere.png", "nowhere.png: image file not found; expected a JPEG, PNG or DICOM file"),
        ("text.png", "text.png: file is neither PNG, JPEG nor DICOM; give a PNG, JPEG or DICOM file"),
        ("cut.png", "cut.png: image is cut off; copy or download it again"),
        (np.full((9, 9), 7, np.uint8), "image 1: blank image, one value throughout"),
        (np.zeros((2, 9, 9), np.uint8), "image 1: has shape (2, 9, 9); expected an image of shape [H, W]"),
        (torch.zeros((2, 9, 9), dtype=torch.uint8), "image 1: has shape"),
        (np.array([[0.0, 1.5]]), "image 1: floating-point values have to be between 0 and 1"),
        (np.array([[0.0, np.nan]]), "image 1: floating-point values have to be between 0 and 1"),
        (np.array([[0, 1]]), "image 1: expected uint8, uint16, or floats between 0 and 1, found int64"),
        (Image.fromarray(np.ones((9, 9), np.float32)), "image 1: a PIL image of mode F has no fixed range"),
        (7, "image 1: expected a path, a PIL image, an array or a tensor, found int"),
    ],
)
def test_an_image_that_cannot_be_read_is_named(
    model: rs.LoadedModel, originals: list[Path], here: Path, image: Any, said: str
) -> None:
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(originals[0].read_bytes()[:200])
    with pytest.raises(rs.InputError) as refused:
        model.embed_images([originals[0], image, originals[1]])
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (float("nan"), "report 1: expected text, found float"),
        (" ", "report 1: is empty"),
        ({"findings": "Clear."}, "report 1: the data set of this model has no sections; give the text of the report"),
    ],
)
def test_an_invalid_report_is_named(model: rs.LoadedModel, report: Any, said: str) -> None:
    with pytest.raises(rs.InputError) as refused:
        model.embed_reports(["Clear.", report])
    assert str(refused.value) == said


def moved(prepared: Any, shards: Path, folder: Path) -> Path:
    """Checkpoint whose record names these shards as its training data."""
    shutil.copytree(prepared.folder / "checkpoint", folder)
    state = json.loads((folder / "state.json").read_text())
    state["trial"]["data"]["shards"] = str(shards)
    state["data"] = json.loads((shards / MANIFEST).read_text())["fingerprint"]
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def test_images_are_shrunk_first_if_packing_did_so(
    prepared: Any, packed: Packed, originals: list[Path], tmp_path: Path, model: rs.LoadedModel
) -> None:
    found = rs.load_model(moved(prepared, packed(64), tmp_path / "checkpoint"), device="cpu")
    assert found.packing.longest_side == 64
    given = rs.load_model(prepared.folder / "checkpoint", device="cpu", longest_side=64)
    colour = originals[2]
    assert np.array_equal(found.embed_images(colour), given.embed_images(colour))
    assert not np.array_equal(found.embed_images(colour), model.embed_images(colour))
    best = dataclasses.replace(rs.open_sweep("small", prepared.store.root).best, source={"size": 64})
    assert np.array_equal(rs.load_model(best, device="cpu").embed_images(colour), given.embed_images(colour))


def test_the_same_section_as_in_packing_is_used(
    prepared: Any, packed: Packed, tmp_path: Path, model: rs.LoadedModel
) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(packed(None), shards)
    manifest = json.loads((shards / MANIFEST).read_text())
    manifest["source"]["sections"] = "impression, findings+comparison"
    (shards / MANIFEST).write_text(json.dumps(manifest))
    found = rs.load_model(moved(prepared, shards, tmp_path / "checkpoint"), device="cpu")
    assert found.packing.sections == ("impression", "findings+comparison")
    whole = {"findings": "Large heart.", "impression": "No effusion.", "comparison": "None."}
    assert np.array_equal(found.embed_reports(whole), model.embed_reports("No effusion."))
    without = {"findings": "Large heart.", "impression": ""}
    assert np.array_equal(found.embed_reports(without), model.embed_reports("Large heart."))
    with pytest.raises(rs.InputError, match="report 0: none of the sections impression, findings"):
        found.embed_reports({"history": "Cough."})


def test_a_sweep_its_best_and_the_folder_are_one_model(prepared: Any, here: Path) -> None:
    sweep = rs.open_sweep("small", store="store")
    models = [rs.load_model(source) for source in (sweep, sweep.best, "checkpoint", here / "checkpoint")]
    weights = [model.network.state_dict()["image_projection.weight"] for model in models]
    assert all(torch.equal(weight, weights[0]) for weight in weights)
    assert models[0].trial == models[2].trial
    assert models[0].temperature == pytest.approx(0.07, rel=0.05)


def test_a_folder_without_a_model_is_refused(here: Path) -> None:
    with pytest.raises(rs.InputError, match="neither the folder of a finished trial's checkpoint nor a whole model"):
        rs.load_model(here)


def test_a_model_is_loaded_and_embeds_without_ray(here: Path) -> None:
    code = (
        "import sys, radsweep as rs; model = rs.load_model(rs.open_sweep('small', store='store'));"
        "print(model.score('a.png', 'No effusion.').shape, {'ray', 'mlflow'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "(1, 1) set()"


def test_a_checkpoint_of_another_version_is_refused(prepared: Any, tmp_path: Path) -> None:
    shutil.copytree(prepared.folder / "checkpoint", tmp_path / "old")
    state = json.loads((tmp_path / "old" / "state.json").read_text())
    state["trial"]["model"]["gone"] = 1
    (tmp_path / "old" / "state.json").write_text(json.dumps(state))
    with pytest.raises(rs.InputError, match="old: the checkpoint is from another version of radsweep; train it again"):
        rs.load_model(tmp_path / "old")
