"""A metric that chance brings most of the way is refused before anything trains, with what would help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.load import parse_experiment
from radsweep.console import Console
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.loading.decode import read_index
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import Image, Split, Study
from radsweep.errors import InputError
from radsweep.store.store import Store
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.checks.selection_metric import check_selection
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.forecast.dry_run import dry_run
from radsweep.sweep.preparation.prepare import Preparations

PNG = b"\x89PNG\r\n\x1a\n"
RECALL, MRR = "val/text_to_image/recall_at_10", "val/text_to_image/mean_reciprocal_rank"


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., list[str]]:
    """check(training, validation and test pairs, **sections of the experiment): notes of `check_selection`."""

    def checked(train: int, validation: int, test: int, same: bool = False, **parts: Any) -> list[str]:
        sizes: dict[Split, int] = {"train": train, "validation": validation, "test": test}
        studies = [
            Study(f"{split}{n}", f"{split}{n}", split, "normal" if same else f"{split} {n}", (Image("a", PNG),))
            for split, size in sizes.items()
            for n in range(size)
        ]
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        write_dataset(folder, studies, name="ours", source={}, key=b"k")
        tree = {"experiment": "x", **parts, "data": {"shards": str(folder)} | parts.get("data", {})}
        shards = read_index(folder, () if tree["data"].get("folds") else ("train", "validation", "test"))
        shards_of = Preparations(shards, Store(tmp_path / "store"), Console()).shards_of
        experiment = parse_experiment(tree)
        return check_selection(experiment, possible_trials(experiment), shards_of)

    return checked


def refusal(check: Callable[..., list[str]], *sizes: int, **parts: Any) -> str:
    with pytest.raises(InputError) as caught:
        check(*sizes, **parts)
    return str(caught.value)


def test_recall_at_10_of_9_validation_pairs_is_refused_with_what_to_do(check: Callable[..., list[str]]) -> None:
    assert refusal(check, 60, 9, 45) == (
        "evaluate.select: on 9 validation pairs, random embeddings reach 100 % of what a perfect model would by "
        f"recall_at_10, so that it can hardly distinguish models. Set evaluate.select to {MRR} (31 %), or set "
        "data.folds to 5 (45 %), with which all 114 pairs are test queries"
    )


def test_a_test_split_of_9_pairs_is_refused_too(check: Callable[..., list[str]]) -> None:
    assert refusal(check, 60, 45, 9).startswith("evaluate.select: on 9 test pairs, random embeddings reach 100 %")


def test_only_what_helps_is_named(check: Callable[..., list[str]]) -> None:
    search = {"space": {"train.learning_rate": {"loguniform": [1e-5, 1e-3]}}}
    assert "data.folds" not in refusal(check, 60, 9, 45, search=search)
    few = refusal(check, 10, 3, 3)  # by the reciprocal rank chance reaches 61 %, and no fold has 20
    assert few.endswith("Pack a data set with more validation pairs")
    assert "set data.folds to 3 (50 %)," in refusal(check, 20, 19, 21)
    assert "lower data.folds" in refusal(check, 30, 10, 10, data={"folds": 5})


def test_a_finer_metric_or_folds_are_accepted(check: Callable[..., list[str]]) -> None:
    (first,) = check(60, 9, 45, evaluate={"select": MRR})
    assert first.startswith("On 9 validation pairs, random embeddings reach 31 %")
    notes = check(60, 9, 45, data={"folds": 5})
    assert notes[0].startswith("On 22 validation pairs, random embeddings reach 45 %")
    assert notes[-1].startswith("By mean_reciprocal_rank it is 17 % at most")


@pytest.mark.parametrize(("validation", "notes"), [(51, 0), (49, 2), (20, 2)])
def test_a_noticeable_chance_is_noted_and_no_lower_one(
    check: Callable[..., list[str]], validation: int, notes: int
) -> None:
    assert len(check(60, validation, 100)) == notes


def test_repeated_reports_count(check: Callable[..., list[str]]) -> None:
    assert check(60, 100, 100) == []
    assert "on 100 validation pairs (different reports: 1), random embeddings reach 100 %" in refusal(
        check, 60, 100, 100, same=True
    )


def test_a_part_that_selects_is_judged_at_its_smallest_size(check: Callable[..., list[str]]) -> None:
    ablation = {"arms": {"baseline": {}}, "pairs": [15, 60]}
    assert check(60, 100, 100, data={"validation_pairs": 60}) == []
    said = refusal(check, 60, 100, 100, data={"validation_ratio": 1}, ablation=ablation)
    assert said.startswith("evaluate.select: on 15 validation pairs, random embeddings reach 67 %")
    assert "raise data.validation_pairs or data.validation_ratio" in said
    said = refusal(check, 60, 100, 100, data={"validation_pairs": 101})
    assert said == "data.validation_pairs: 101 validation studies were asked for, but the data set has 100"


def test_the_local_score_is_judged_by_its_own_pool(check: Callable[..., list[str]]) -> None:
    local = {"objective": {"local": {"weight": 1}}, "evaluate": {"select": "val/text_to_image_local/recall_at_10"}}
    said = refusal(check, 60, 9, 45, **local)
    assert "Set evaluate.select to val/text_to_image_local/mean_reciprocal_rank" in said
    (note,) = check(60, 100, 100, **local)
    assert note.startswith("Each validation compares all regions and words of 100 pairs, which takes minutes")


COVIDCXR = {"image": "images/{image_file}", "report": "clinical_notes", "patient": "patientid"}


def test_the_pairs_of_covidcxr_get_a_sound_answer(real: Callable[[str], Path], tmp_path: Path) -> None:
    """Packed as docs/own-data.md says. Recall@10 would be 1.0 for every checkpoint, or nearly so."""
    pack_source("csv", CsvSettings(**COVIDCXR), real("covidcxr"), tmp_path / "shards")  # type: ignore[arg-type]

    def refused(**parts: Any) -> tuple[list[str], tuple[str, ...]]:
        tree = {"experiment": "x", "run": {"store": str(tmp_path / "store")}, **parts}
        tree["data"] = {"shards": str(tmp_path / "shards")} | parts.get("data", {})
        plan = dry_run(parse_experiment(tree))
        return [str(error) for error in plan.refused], plan.notes

    (said,), _ = refused()
    assert said.startswith("evaluate.select: on ")
    assert f"Set evaluate.select to {MRR}" in said
    assert "set data.folds to" in said
    assert refused(evaluate={"select": MRR})[0] == []
    folds = int(said.split("data.folds to ")[1].split()[0])
    errors, notes = refused(data={"folds": folds})
    assert errors == []
    assert any("random embeddings reach" in note for note in notes)


@pytest.mark.parametrize("key", ["data.validation_pairs", "data.validation_ratio"])
def test_all_arms_are_selected_on_the_same_part(key: str) -> None:
    arms = {"baseline": {}, "fewer": {key: 10}}
    with pytest.raises(InputError, match=f"^{key}: must be the same for all trials of a sweep"):
        check_experiment(parse_experiment({"experiment": "x", "data": {"shards": "x"}, "ablation": {"arms": arms}}))


@pytest.mark.parametrize(
    "search",
    [
        {"space": {"data.fraction": {"uniform": [0.1, 1]}}},
        {"space": {"train.clip": {"uniform": [1, 2]}}, "scheduler": "asha", "fidelity": "pairs"},
    ],
    ids=["space", "fidelity"],
)
def test_a_search_over_sizes_does_not_compare_pools_of_different_sizes(search: dict[str, Any]) -> None:
    data = {"shards": "x", "validation_ratio": 1}
    with pytest.raises(InputError, match=r"^data\.validation_ratio: .*; set data\.validation_pairs"):
        check_experiment(parse_experiment({"experiment": "x", "data": data, "search": search}))
