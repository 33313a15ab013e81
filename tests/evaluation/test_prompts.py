from __future__ import annotations

from pathlib import Path

import pytest

from radsweep.errors import InputError
from radsweep.evaluation.prompts import load_prompts

CHEXPERT = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip

SMALL = """
No:   # a class of that name is text, not false
  positive: [no nodule, clear]
  negative: [a nodule]
Pleural_Effusion:
  positive: [" fluid "]
  negative: [dry]
"""


def written(folder: Path, text: str) -> str:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return str(folder / "mine.yaml")


def test_the_14_classes_of_chexpert_ship_with_several_prompts_each() -> None:
    prompts = load_prompts("chexpert")
    assert tuple(prompts.classes) == CHEXPERT
    for name, of_class in prompts.classes.items():
        assert min(len(of_class.positive), len(of_class.negative)) >= 3, name
        assert all(text.endswith(".") for text in (*of_class.positive, *of_class.negative)), name


def test_a_file_of_ones_own_is_read_as_text(tmp_path: Path) -> None:
    prompts = load_prompts(written(tmp_path, SMALL))
    assert prompts.classes["No"].positive == ("no nodule", "clear")
    assert prompts.classes["Pleural_Effusion"].positive == ("fluid",)


def test_prompts_are_found_by_a_labels_name_however_it_is_written(tmp_path: Path) -> None:
    prompts = load_prompts(written(tmp_path, SMALL))
    assert list(prompts.by_label(["edema", "pleural effusion", "NO"])) == ["pleural effusion", "NO"]
    with pytest.raises(InputError, match=r"mine.yaml: has prompts for No, Pleural_Effusion, and none .* \(edema\)"):
        prompts.by_label(["edema"])


def test_the_hash_follows_what_a_file_says_and_not_how(tmp_path: Path) -> None:
    first = load_prompts(written(tmp_path, SMALL)).sha256
    assert load_prompts(written(tmp_path, "# mine\n" + SMALL.replace('" fluid "', "fluid"))).sha256 == first
    assert load_prompts(written(tmp_path, SMALL.replace("dry", "none"))).sha256 != first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Edema: [a", "is not valid YAML"),
        ("A: {positive: [a]}\nA: {positive: [a]}", "key 'A' is repeated"),
        ("- a", "expected classes, each with"),
        ("", "expected classes, each with"),
        ("Edema:", "class Edema: expected the keys positive and negative"),
        ("Edema: [a]", "class Edema: expected the keys positive and negative"),
        ("Edema: {positive: [a]}", "class Edema, negative: is missing; expected a list of prompts"),
        ("Edema: {positive: [a], negative: []}", "class Edema, negative: is empty; expected at least one prompt"),
        ("Edema: {positive: a, negative: [b]}", "class Edema, positive: expected a list of prompts"),
        ("Edema: {positive: [a], negativ: [b]}", "class Edema, negativ: unknown key; did you mean negative"),
        ("Edema: {positive: [a, ' '], negative: [b]}", "class Edema, positive, entry 2: expected a prompt"),
        ("Edema: {positive: [a, [b]], negative: [c]}", "class Edema, positive, entry 2: expected a prompt"),
        ("Edema: {positive: [a, b, A], negative: [c]}", "class Edema, positive, entry 3: is the same prompt as"),
        ("Edema: {positive: [a], negative: [a]}", "class Edema, negative, entry 1: is the same prompt as positive, e"),
        (
            "Lung Lesion: {positive: [a], negative: [b]}\nlung_lesion: {positive: [a], negative: [b]}",
            "class lung_lesion: is 'Lung Lesion' written otherwise; keep one",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong_where(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        load_prompts(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_prompts(written(tmp_path, "A: {positive: [a]}\nB: {positive: [], negative: [b]}"))
    assert len(str(error.value).splitlines()) == 2


def test_an_unknown_name_lists_what_ships(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"chexprt: is neither a set of prompts that ships \(chexpert.*No such file"):
        load_prompts("chexprt")
    (tmp_path / "latin.yaml").write_bytes(b"Edema: \xe9")
    with pytest.raises(InputError, match="no UTF-8 text"):
        load_prompts(tmp_path / "latin.yaml")
