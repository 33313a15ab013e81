"""Techniques that do nothing on the data of a design are refused before anything trains, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.console import Console
from radsweep.data.loading.decode import read_index
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import SPLITS, Image, Study
from radsweep.errors import InputError
from radsweep.store.store import Store
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.checks.techniques import check_techniques
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.preparation.prepare import Preparations

STILL = {"crop": [1.0, 1.0], "affine": 0, "brightness": 0, "contrast": 0, "noise": 0}
VIEWS = {"objective": {"views": {"image": 2}}, "augment": {"image": STILL}}
Check = Callable[..., None]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """check(images of a study, its report, **sections): `check_techniques` on 12 studies of each split."""

    def checked(images: int = 1, report: str = "One. Two.", **parts: Any) -> None:
        pictures = tuple(Image("a", b"\x89PNG\r\n\x1a\n" + bytes([n])) for n in range(images))
        studies = [
            Study(f"{split}{n}", f"{split}{n}", split, f"{report} {n}", pictures if n else pictures[:1])
            for split in SPLITS
            for n in range(12)
        ]
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write_dataset(folder, studies, name="ours", source={}, key=b"k")
        tree = {"experiment": "x", **parts, "data": {"shards": str(folder)} | parts.get("data", {})}
        preparations = Preparations(read_index(folder), Store(tmp_path / "store"), Console())
        experiment = parse_experiment(tree)
        check_techniques(experiment, possible_trials(experiment), preparations.shards_of)

    return checked


def test_views_of_one_image_without_augmentation_are_refused(check: Check) -> None:
    with pytest.raises(InputError, match=r"^objective\.views\.image: the 2 views of a study would be the same"):
        check(**VIEWS)
    check(images=2, **VIEWS)
    check(objective={"views": {"image": 2}})
    with pytest.raises(InputError, match="views of a study"):
        check(**VIEWS, data={"folds": 3})


def test_a_choice_of_sentences_of_one_sentence_reports_is_refused(check: Check) -> None:
    arms = {"baseline": {}, "sentences": {"augment.text.sentences": "sample"}}
    with pytest.raises(InputError, match=r"^augment\.text\.sentences: sample changes nothing, because every training"):
        check(report="Nodule of", ablation={"arms": arms, "seeds": 3})
    check(ablation={"arms": arms, "seeds": 3})


@pytest.mark.parametrize(
    ("train", "bank", "filled"),
    [
        ({"until": "steps", "steps": 3, "batch_size": 4}, 65_536, 3),  # an epoch
        ({"until": "epochs", "epochs": 1, "batch_size": 4}, 65_536, 3),
        ({"until": "steps", "steps": 2, "batch_size": 4}, 8, 2),
    ],
)
def test_a_bank_of_neighbours_that_never_fills_is_refused(
    check: Check, train: dict[str, Any], bank: int, filled: int
) -> None:
    objective = {"neighbours": {"weight": 1, "bank": bank}}
    with pytest.raises(InputError, match=rf"^objective\.neighbours\.bank: .* full after {filled} steps, but training"):
        check(train=train, objective=objective)
    longer = "epochs" if "epochs" in train else "steps"
    check(train=train | {longer: train[longer] + 1}, objective=objective)


def test_suggestions_of_a_search_are_not_judged(check: Check) -> None:
    check(**VIEWS, search={"space": {"train.clip": {"uniform": [1, 2]}}})


def test_simcse_of_a_clip_is_refused_before_the_start(public_model: Path, phantom: Path) -> None:
    objective = {"text_ssl": {"weight": 0.1, "kind": "simcse"}}
    model = {
        "pretrained": str(public_model),
        "image": {"size": 32, "channels": 3},
        "text": {"max_tokens": 32},
        "dim": 24,
    }
    tree = {"experiment": "x", "data": {"shards": str(phantom)}, "model": model, "objective": objective}
    with pytest.raises(InputError, match=r"objective\.text_ssl\.kind: simcse .* has no dropout"):
        check_experiment(parse_experiment(tree))
    check_experiment(parse_experiment(tree | {"objective": {"contrast": {"weight": 1}}}))
