"""Silent defects of published code, each a test of ours by the name of what has to hold (METHODS.md, section 4).

Three more stand with what they are about: `never the sample's own id or patient` in objectives/test_neighbours.py, the
5x200 draw in evaluation/test_class_retrieval.py, `resume gives the same numbers as an uninterrupted run` in
training/test_trainer.py.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from radsweep.config.objective import Local
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.loading.index import SplitIndex
from radsweep.data.loading.subsets import seeded_order, subset_fingerprint
from radsweep.data.packing.pack import describe
from radsweep.data.shards.schema import SHARD_SCHEMA
from radsweep.evaluation import local_retrieval
from radsweep.evaluation.retrieval import metrics_of
from radsweep.objectives import local
from radsweep.objectives.views import Words
from radsweep.training.batches import Batch
from radsweep.training.context import RunContext
from radsweep.training.trainer import TrialRecipe, train
from support.synthetic import synthetic_data, synthetic_trial


def first_batch(**values: object) -> Batch:
    trial = synthetic_trial(**({"augment.image.crop": [1.0, 1.0], "augment.image.noise": 0.0} | STILL | values))
    return next(TrialRecipe(trial, synthetic_data(), RunContext()).batches(0))


STILL = {f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast")}


def test_the_trained_ids_equal_the_requested_subset() -> None:
    """GLoRIA, MGCA and CXR-CLIP have a data fraction without effect."""
    data, trial = synthetic_data(), synthetic_trial(**{"data.pairs": 11, "data.seed": 3, "train.steps": 1})
    index: SplitIndex = data.splits["train"].index
    rows = seeded_order(index.study_ids, index.patient_ids, 3)[:11]
    seen = [batch.rows.study_B.tolist() for batch in TrialRecipe(trial, data, RunContext()).batches(0) if batch.rows]
    assert sorted(row for batch in seen for row in batch) == sorted(rows)
    outcome = train(trial, data)
    assert outcome.subset_sha256 == subset_fingerprint([index.study_ids[row] for row in rows])


@pytest.mark.parametrize(
    "change",
    [
        *({f"augment.image.{name}": 0.3} for name in ("affine", "brightness", "contrast", "noise")),
        {"augment.image.blur": 0.1},
        {"augment.image.crop": [0.5, 0.8]},
        {"augment.image.flip": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_image_augmentation_changes_its_input_seen_from_the_batch(change: dict[str, object]) -> None:
    """CXR-CLIP's sentence shuffle never reaches the batch."""
    plain, changed = first_batch(), first_batch(**change)
    assert torch.equal(plain.keys_b, changed.keys_b)
    differs = (plain.pixels_bCSS[0] != changed.pixels_bCSS[0]).flatten(1).any(dim=1)
    assert differs.float().mean() > 0.9
    assert torch.equal(plain.texts[0].ids_BL, changed.texts[0].ids_BL)


@pytest.mark.parametrize(
    "change",
    [*({"augment.text.sentences": how} for how in ("sample", "one", "shuffle")), {"augment.text.swap": 0.5},
     {"augment.text.delete": 0.5}],
    ids=lambda change: str(change),
)  # fmt: skip
def test_each_text_augmentation_changes_its_input_seen_from_the_batch(change: dict[str, object]) -> None:
    plain, changed = first_batch(), first_batch(**change)
    assert torch.equal(plain.pixels_bCSS[0], changed.pixels_bCSS[0])
    rows = zip(plain.texts[0].ids_BL.tolist(), changed.texts[0].ids_BL.tolist(), strict=True)
    differs = [[token for token in one if token] != [token for token in other if token] for one, other in rows]
    assert np.mean(differs) > 0.3  # of three sentences, or of a handful of words


def test_views_of_a_study_come_from_different_images_if_there_are_several() -> None:
    """CXR-CLIP shows one image as both views."""
    batch, index = first_batch(**{"objective.views.image": 2}), synthetic_data().splits["train"].index
    assert batch.rows is not None
    images_S = np.diff(index.first_image_S1)
    same = [bool(torch.equal(one, other)) for one, other in zip(*batch.pixels_bCSS, strict=True)]
    assert same == [images_S[row] == 1 for row in batch.rows.study_B.tolist()]


def test_the_metric_does_not_depend_on_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """BenchX retrieves inside mini-batches."""
    found = []
    for rows in (128, 5):
        monkeypatch.setattr("radsweep.training.embedder.ROWS", rows)
        recipe = TrialRecipe(synthetic_trial(**{"train.batch_size": 2 * rows}), synthetic_data(), RunContext())
        found.append(recipe.measure())
    assert found[0] == pytest.approx(found[1])


def test_one_function_called_by_both_training_and_evaluation() -> None:
    """GLoRIA scores words and regions otherwise at evaluation."""
    assert vars(local_retrieval)["local_scores"] is local.local_scores
    generator = torch.Generator().manual_seed(0)
    regions = torch.randn(9, 4, 6, generator=generator)  # studies 0, 1, 1, 2, ...: seven studies
    study = np.array([0, 1, 1, 2, 3, 4, 5, 5, 6])
    words = Words(
        torch.randn(7, 5, 6, generator=generator), torch.tensor([[-1, 0, 0, 1, -1]] * 4 + [[-1, 0, 1, 2, 3]] * 3)
    )
    scores_MS = local.local_scores(regions, words, Local()).numpy()
    scores_SS = np.array([scores_MS[study == row].max(axis=0) for row in range(7)])
    ranks = 1 + (scores_SS > np.diag(scores_SS)).sum(axis=0)
    found = metrics_of(local_retrieval.rank_locally(regions, words, study, Local()))
    assert found["text_to_image_local/mean_rank"] == pytest.approx(ranks.mean())
    assert found["text_to_image_local/recall_at_1"] == pytest.approx((ranks == 1).mean())


def test_the_local_score_ranks_the_test_split_if_it_is_asked_for() -> None:
    asked = {"evaluate.tasks": ["retrieval", "local_retrieval"], "train.steps": 2}
    trial = synthetic_trial(**asked, **{"objective.local.weight": 1.0})
    outcome = train(trial, synthetic_data(), read_test=True)
    assert outcome.final["test/text_to_image_local/recall_at_10"] > 0
    assert outcome.chance["test/text_to_image_local/recall_at_10"] == pytest.approx(10 / 24)
    without = train(synthetic_trial(**asked), synthetic_data(), read_test=True)
    assert not any("_local" in name for name in without.final)


@pytest.fixture
def with_gaps(tmp_path: Path) -> Path:
    """Twelve patients; the reports of two and the picture of a third are missing."""
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "image", "notes"])
        for number in range(12):
            writer.writerow([f"p{number}", f"{number}.png", "" if number in (3, 7) else f"Finding {number}."])
            picture = io.BytesIO()
            Image.fromarray(np.random.default_rng(number).integers(0, 256, (20, 20), np.uint8)).save(picture, "PNG")
            if number != 5:
                (tmp_path / f"{number}.png").write_bytes(picture.getvalue())
    return tmp_path


def test_rows_without_a_report_are_dropped_and_counted_in_the_pack_report(with_gaps: Path) -> None:
    """CheXzero keeps a missing report as a blank positive."""
    packed = pack_source(
        "csv",
        CsvSettings(image="{image}", report="notes", patient="patient"),
        with_gaps,
        with_gaps.with_name(f"{with_gaps.name}-shards"),
    )
    assert packed.manifest.dropped == {"no report": 2, "image file not found": 1}
    assert sum(packed.manifest.studies["pairs"].values()) == 9
    assert any("no report: 2" in line for line in describe(packed))


def test_no_null_text_or_image_in_a_shard(with_gaps: Path) -> None:
    """MGCA's merge leaves 9,000 rows of NaN."""
    packed = pack_source(
        "csv",
        CsvSettings(image="{image}", report="notes", patient="patient"),
        with_gaps,
        with_gaps.with_name(f"{with_gaps.name}-shards"),
    )
    for shard in packed.manifest.shards:
        table = pq.read_table(with_gaps.with_name(f"{with_gaps.name}-shards") / shard.path)
        assert table.schema.equals(SHARD_SCHEMA)
        for study in table.to_pylist():
            assert study["report"].strip()
            assert study["images"]
            assert all(image["data"] for image in study["images"])
