"""Tasks that a data set does not support are refused before anything trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radsweep.config.evaluation import Evaluate
from radsweep.config.experiment import Experiment
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import read_index
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import SPLITS, Image, Split, Study
from radsweep.errors import InputError
from radsweep.sweep.checks.data import check_reports_and_labels, check_tasks
from radsweep.sweep.design.possible_trials import possible_trials

PNG = b"\x89PNG\r\n\x1a\n"


def data(folder: Path, name: str = "ours", labels: tuple[str, ...] = ("Edema", "Nodule"), reports: bool = True) -> Path:
    """Write four studies per split; each label is positive in every second one."""
    studies = [
        Study(
            f"{split}{number}",
            f"{split}{number}",
            split,
            "a report" if reports else None,
            (Image("a", PNG),),
            {label: float((number + place) % 2) for place, label in enumerate(labels)},
        )
        for split in SPLITS
        for number in range(4)
    ]
    write_dataset(folder / name, studies, name=name, source={}, key=b"k")
    return folder / name


def check(shards: Path, streamed: bool = False, split: Split = "test", **evaluate: Any) -> None:
    check_tasks(Evaluate.model_validate(evaluate), read_index(shards), split, streamed)


def test_supported_tasks_pass(tmp_path: Path) -> None:
    other = data(tmp_path, "other", reports=False)
    tasks = ["retrieval", "zero_shot", "linear_probe", "class_retrieval"]
    classes = {"classes": ["Edema", "Nodule"], "per_class": 2}
    check(data(tmp_path), tasks=tasks, sets=[str(other)], class_retrieval=classes)


@pytest.mark.parametrize(
    ("labels", "evaluate", "message"),
    [
        ((), {"tasks": ["zero_shot"]}, "evaluate.tasks: zero_shot needs labels, but ours has none"),
        (("Pox",), {"tasks": ["zero_shot"]}, "none for a label of the data"),
        (("Edema",), {"tasks": ["class_retrieval"]}, "no labels of Atelectasis"),
        (
            ("Edema", "Nodule"),
            {"tasks": ["class_retrieval"], "class_retrieval": {"classes": ["Edema", "Nodule"]}},
            "200 studies that only show this class are needed of each; found of Edema 2, Nodule 2",
        ),
        (("Edema",), {"sets": ["/nowhere"]}, "no packed data set"),
        (("Edema",), {"tasks": ["zero_shot"], "zero_shot": {"prompts": "chexprt"}}, "chexprt"),
    ],
)
def test_an_unsupported_task_is_named_with_its_reason(
    tmp_path: Path, labels: tuple[str, ...], evaluate: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check(data(tmp_path, labels=labels), **evaluate)


def trials_on(shards: Path, **objective: Any) -> list[Trial]:
    arms = {"baseline": {}, "soft": objective}
    tree = {"experiment": "e", "data": {"shards": str(shards)}, "ablation": {"arms": arms}}
    return list(possible_trials(Experiment.model_validate(tree)))


def test_soft_targets_by_labels_need_labels(tmp_path: Path) -> None:
    soft = {"objective.contrast.targets.kind": "labels"}
    without = data(tmp_path, "without", labels=())
    message = r"objective\.contrast\.targets\.kind: labels: no pair of without to train on has a label\. Pack it with"
    with pytest.raises(InputError, match=message):
        check_reports_and_labels(trials_on(without, **soft), read_index(without))
    check_reports_and_labels(trials_on(without, **{"objective.contrast.targets.kind": "reports"}), read_index(without))
    check_reports_and_labels(trials_on(data(tmp_path), **soft), read_index(tmp_path / "ours"))


def test_impression_first_needs_reports_that_show_their_impression(tmp_path: Path) -> None:
    ours = data(tmp_path)
    with pytest.raises(InputError, match="impression_first needs to know where an impression begins"):
        check_reports_and_labels(trials_on(ours, **{"model.text.truncation": "impression_first"}), read_index(ours))
    check_reports_and_labels(trials_on(ours, **{"model.text.truncation": "tail"}), read_index(ours))


def test_sets_need_a_task_that_reads_them_and_distinct_names(tmp_path: Path) -> None:
    ours, other = data(tmp_path), data(tmp_path, "other")
    with pytest.raises(InputError, match="only zero_shot and linear_probe use further sets"):
        check(ours, sets=[str(other)])
    with pytest.raises(InputError, match="have the same name"):
        check(ours, tasks=["zero_shot"], sets=[str(ours)])


def test_a_linear_probe_is_not_measured_on_the_split_that_selects(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="selects on the validation split and can only be measured on the test split"):
        check(data(tmp_path), split="validation", tasks=["linear_probe"])
    check(data(tmp_path, "other"), split="validation", tasks=["zero_shot"], zero_shot={"prompts": "chexpert"})


def test_a_linear_probe_is_refused_for_streamed_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set data\.source to cached"):
        check(data(tmp_path), streamed=True, tasks=["linear_probe"])
