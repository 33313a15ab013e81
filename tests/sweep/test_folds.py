"""Cross-validation in the plan and in the data of trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from radsweep.config.data import Data
from radsweep.config.load import parse_experiment, trial_with
from radsweep.config.stages import stages_of
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data.loading.decode import read_index
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import Image, Split, Study
from radsweep.errors import InputError, explaining
from radsweep.store.store import Store
from radsweep.sweep.checks.experiment import check_experiment
from radsweep.sweep.design.planned_trials import cell_trial, plan_cells
from radsweep.sweep.design.possible_trials import possible_trials
from radsweep.sweep.identity.cell_key import cell_key, stage_key
from radsweep.sweep.preparation.dataset import check_sizes
from radsweep.sweep.preparation.image_memory import source_for
from radsweep.sweep.preparation.prepare import Preparations

ARMS = {"baseline": {}, "local": {"objective.local.weight": 1}}


def experiment(shards: str = "somewhere", **parts: Any) -> Any:
    tree: dict[str, Any] = {"experiment": "x", "data": {"shards": shards, "folds": 3}}
    for name, part in parts.items():
        tree[name] = tree.get(name, {}) | part
    return parse_experiment(tree, "x.yaml")


def key_of(trial: Trial) -> str:
    return cell_key(trial, "data", "cpu")


# The plan


def test_every_replicate_of_every_arm_runs_once_per_fold() -> None:
    whole = experiment(ablation={"arms": ARMS, "pairs": [10, 20], "seeds": 2})
    cells = plan_cells(whole, key_of)
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 2 * 2 * 3
    places = [(cell.pairs, cell.subset_seed, cell.fold, cell.arm) for cell in cells]
    assert places == [(n, s, f, arm) for n in (10, 20) for s in (0, 1) for f in (0, 1, 2) for arm in ARMS]
    for cell in cells:
        trial = cell_trial(whole.trial(), cell)
        assert (trial.data.folds, trial.data.fold) == (3, cell.fold)
        assert key_of(trial) == cell.key
        assert cell.changes == ARMS[cell.arm]
    assert {key_of(trial) for trial in possible_trials(whole)} == {cell.key for cell in cells}


def test_one_trial_runs_once_per_fold() -> None:
    whole = experiment()
    cells = plan_cells(whole, key_of)
    assert [(cell.number, cell.fold, cell.changes) for cell in cells] == [(0, 0, {}), (1, 1, {}), (2, 2, {})]
    assert [key_of(trial) for trial in possible_trials(whole)] == [cell.key for cell in cells]
    assert [key_of(cell_trial(whole.trial(), cell)) for cell in cells] == [cell.key for cell in cells]


def test_without_folds_no_cell_names_one() -> None:
    whole = parse_experiment({"experiment": "x", "data": {"shards": "x"}, "ablation": {"arms": ARMS}}, "x.yaml")
    assert [cell.fold for cell in plan_cells(whole, key_of)] == [None, None]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"data": {"folds": 2}}, "data.folds: expected 3 or more"),
        ({"data": {"folds": 3, "fold": 3}}, "`fold` 3 of `folds` 3: they count from 0"),
        ({"data": {"folds": None, "fold": 1}}, "`fold` 1 of `folds` None"),
        ({"data": {"source": "streamed"}}, "`folds` and source `streamed`"),
        ({"evaluate": {"select": "val/text_to_image/median_rank"}}, "select mean_rank"),
        ({"data": {"fold": 1}}, "x.yaml: data.fold: all folds of data.folds are run; leave data.fold out"),
        ({"ablation": {"arms": {"a": {"data.fold": 1}}}}, "x.yaml: data.fold: all folds"),
        ({"ablation": {"arms": {"a": {}, "b": {"data.folds": 4}}}}, "x.yaml: data.folds: must be the same for all"),
        (
            {"search": {"trials": 3, "space": {"objective.local.weight": {"uniform": [0, 1]}}}},
            "x.yaml: data.folds: a search cannot be cross-validated yet",
        ),
    ],
)
def test_settings_that_folds_exclude_are_refused_before_anything_starts(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.").replace("[", r"\[")), explaining("x.yaml"):
        check_experiment(experiment(**parts))


# The data


def study(number: int, patient: int, split: Split, report: str) -> Study:
    image = Image("0", b"\x89PNG\r\n\x1a\n" + bytes([number]))
    return Study(f"s{number}", f"p{patient}", split, report, (image,))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 patients with one study each; four of them share a word that no other patient has."""
    folder = tmp_path_factory.mktemp("folds") / "data"
    splits: list[Split] = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    found = [
        study(n, n, split, f"shared words. marker{'abcdefghijklmnopqrstuvwx'[n]}.") for n, split in enumerate(splits)
    ]
    write_dataset(folder, found, name="made-up", source={}, key=b"k" * 32)
    return folder


def test_a_word_that_only_held_out_patients_have_is_not_in_the_folds_vocabulary(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radsweep.data.text.tokenizer.PATIENTS_PER_WORD", 1)
    preparations = Preparations(read_index(packed), Store(tmp_path), Console())
    held_out_words = 0
    for cell in plan_cells(experiment(str(packed)), key_of):
        trial = cell_trial(experiment(str(packed)).trial(), cell)
        fold = preparations.shards_of(trial)
        vocabulary = json.loads(preparations.tokenizer(trial))["model"]["vocab"]
        for report in fold.reports["train"]:
            assert report.split()[-1].strip(".") in vocabulary
        for split in ("validation", "test"):
            for report in fold.reports[split]:  # type: ignore[index]
                assert report.split()[-1].strip(".") not in vocabulary
                held_out_words += 1
    assert held_out_words == 2 * 24
    assert len(list((tmp_path / "tokenizers").iterdir())) == 3
    again = Preparations(read_index(packed), Store(tmp_path), Console())  # from the files
    trials = list(possible_trials(experiment(str(packed))))
    assert [again.tokenizer(trial) for trial in trials] == [preparations.tokenizer(trial) for trial in trials]


def test_each_fold_has_its_own_prepared_data(packed: Path, tmp_path: Path) -> None:
    preparations = Preparations(read_index(packed), Store(tmp_path), Console())
    trials = list(possible_trials(experiment(str(packed))))
    assert len({preparations.key(trial) for trial in trials}) == 3
    assert source_for(trials, preparations.shards, capacity=1) == "cached"


def test_more_pairs_than_a_fold_trains_on_are_refused(packed: Path, tmp_path: Path) -> None:
    preparations = Preparations(read_index(packed), Store(tmp_path), Console())

    def count(trial: Trial) -> int:
        return len(preparations.shards_of(trial).splits["train"])

    for pairs, fits in ((8, True), (9, False)):  # 24 pairs in 3 folds: 8 to train on
        trials = list(possible_trials(experiment(str(packed), data={"pairs": pairs})))
        for counted in (None, count):
            if fits:
                check_sizes(trials, counted)
            else:
                with pytest.raises(InputError, match=r"^data\.pairs: 9 .* has 8 to train on in 3 folds"):
                    check_sizes(trials, counted)


def test_more_workers_than_pairs_are_refused(packed: Path) -> None:
    """Row 12: a worker without a study failed the whole group."""
    for workers, fits in ((6, True), (7, False)):
        train = {"workers": workers, "batch_size": 2 * workers}
        trials = list(possible_trials(experiment(str(packed), data={"pairs": 6}, train=train)))
        if fits:
            check_sizes(trials)
        else:
            with pytest.raises(InputError, match=r"^train\.workers: 7 workers and 6 pairs .* set it to 6 or less"):
                check_sizes(trials)


# Keys


def test_folds_and_the_fold_change_the_keys_of_cells_and_stages() -> None:
    still = {f"augment.image.{name}": 0.0 for name in ("affine", "brightness", "contrast", "noise")}
    frozen = still | {"augment.image.crop": [1.0, 1.0], "model.image.freeze": True, "model.text.freeze": True}
    stages = frozen | {"adapt.image.method": "simclr", "adapt.text.method": "mlm", "model.text.weights": "scratch"}
    base = trial_with(Trial(data=Data(shards="here")), stages)
    changes = [{}, {"data.folds": 3}, {"data.folds": 3, "data.fold": 1}, {"data.folds": 4, "data.fold": 1}]
    trials = [trial_with(base, change) for change in changes]
    assert len({key_of(trial) for trial in trials}) == 4
    names = set(stages_of(base))
    assert names == {"image", "text", "image features", "text features"}
    for name in names:
        assert len({stage_key(stages_of(trial)[name], "data", "cpu") for trial in trials}) == 4  # type: ignore[index]
