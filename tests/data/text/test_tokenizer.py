from __future__ import annotations

import csv
import json
import os
import pickle
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from radsweep.data.text.sentences import sentence_starts
from radsweep.data.text.tokenizer import SPECIAL_TOKENS, ReportTokenizer, SpecialIds, load_tokenizer, train_tokenizer
from radsweep.errors import InputError

OPENI = Path(__file__).resolve().parents[4] / "shared/data/openi/indiana_reports.csv"
REPORTS = [
    (f"p{number % 7}", text)
    for number, text in enumerate(
        [
            "Small left pleural effusion. No pneumothorax.",
            "No pleural effusion or pneumothorax. Heart size normal.",
            "Right basal opacity. Heart size normal, 2.5 cm nodule.",
            "No focal opacity. Small right effusion.",
        ]
        * 6
    )
]


@pytest.fixture(scope="module")
def tokenizer() -> ReportTokenizer:
    return load_tokenizer(train_tokenizer(REPORTS, 400))


def vocabulary(text: str) -> set[str]:
    return set(json.loads(text)["model"]["vocab"])


def test_special_tokens_have_the_first_ids(tokenizer: ReportTokenizer) -> None:
    assert [tokenizer.backend.id_to_token(number) for number in range(5)] == list(SPECIAL_TOKENS)
    assert (tokenizer.special.pad, tokenizer.special.cls, tokenizer.special.sep, tokenizer.special.mask) == (0, 2, 3, 4)


def test_a_word_of_fewer_than_5_patients_leaves_no_trace() -> None:
    rare = [(f"p{number}", "Seen by Zyxwvutsky. Qqwerty.") for number in range(4)] + [("p0", "Zyxwvutsky qqwerty")] * 50
    assert train_tokenizer(REPORTS + rare, 400) == train_tokenizer(REPORTS + [(p, "seen by") for p, _ in rare[:4]], 400)
    pieces = vocabulary(train_tokenizer(REPORTS + rare, 400))
    assert not [
        piece for piece in pieces if len(piece.removeprefix("##")) > 1 and piece.removeprefix("##") in "zyxwvutsky"
    ]


def test_a_word_of_5_patients_is_kept_however_rare_it_is() -> None:
    common = [(f"p{number}", "Kerley") for number in range(5)]
    assert "kerley" in vocabulary(train_tokenizer(REPORTS + common, 400))
    assert "kerley" not in vocabulary(train_tokenizer(REPORTS + common[:4], 400))


def test_with_fewer_patients_every_one_of_them_must_use_a_word() -> None:
    pieces = vocabulary(
        train_tokenizer([("a", "left lung clear"), ("b", "right lung clear"), ("c", "clear lung")], 400)
    )
    assert {"lung", "clear"} <= pieces
    assert not {"left", "right"} & pieces


def test_a_name_is_spelled_in_pieces_and_a_foreign_letter_is_unknown(tokenizer: ReportTokenizer) -> None:
    name = tokenizer.tokenise(["Zyxwv"]).tokens_T.tolist()
    assert len(name) == 5
    assert 1 not in name
    assert tokenizer.tokenise(["Ж"]).tokens_T.tolist() == [1]


def test_the_order_of_the_reports_and_the_process_change_nothing() -> None:
    expected = train_tokenizer(REPORTS, 120)
    assert train_tokenizer(reversed(REPORTS), 120) == expected
    code = (
        "import json, sys; from radsweep.data.text.tokenizer import train_tokenizer; "
        "sys.stdout.write(train_tokenizer(map(tuple, json.load(sys.stdin)), 120))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(REPORTS), capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )  # fmt: skip
    assert other.stdout == expected


def test_tokens_know_their_word_and_sentence(tokenizer: ReportTokenizer) -> None:
    batch = tokenizer.tokenise(["No effusion. Zyx normal.", "", "Heart size 2.5 cm."])
    assert batch.offsets.tolist()[0] == 0
    first, empty, last = (slice(a, b) for a, b in pairwise(batch.offsets))
    assert batch.words_T[first].tolist() == [0, 1, 2, 3, 3, 3, 4, 5]
    assert batch.sentences_T[first].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert batch.tokens_T[empty].tolist() == []
    assert set(batch.sentences_T[last].tolist()) == {0}
    assert [tokenizer.backend.id_to_token(number) for number in batch.tokens_T[last]][:2] == ["heart", "size"]


def test_reports_taken_from_a_batch_equal_those_tokenised_separately(tokenizer: ReportTokenizer) -> None:
    texts = [text for _, text in REPORTS[:4]] + [""]
    taken = tokenizer.tokenise(texts).take(np.array([3, 4, 0, 3]))
    for left, right in zip(taken, tokenizer.tokenise([texts[3], "", texts[0], texts[3]]), strict=True):
        assert np.array_equal(left, right)


def test_special_tokens_typed_in_a_report_are_text(tokenizer: ReportTokenizer) -> None:
    assert not {0, 2, 3, 4} & set(tokenizer.tokenise(["a [SEP] b [PAD] [MASK] [CLS]"]).tokens_T.tolist())


def test_equal_tokenizers_have_equal_fingerprints(tokenizer: ReportTokenizer) -> None:
    assert load_tokenizer(train_tokenizer(REPORTS, 400)).fingerprint == tokenizer.fingerprint
    assert load_tokenizer(train_tokenizer(REPORTS, 120)).fingerprint != tokenizer.fingerprint
    assert pickle.loads(pickle.dumps(tokenizer)).fingerprint == tokenizer.fingerprint


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    names = {
        "[PAD]": 0,
        "[CLS]": 1,
        "[SEP]": 2,
        "[UNK]": 3,
        "[MASK]": 4,
        "heart": 5,
        "size": 6,
        "##s": 7,
        ".": 8,
        "no": 9,
    }
    saved = BertTokenizerFast(vocab=names, model_max_length=8)
    saved.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizerFast

    folder = tmp_path_factory.mktemp("clip")
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters), "no</w>", "<|startoftext|>", "<|endoftext|>"]
    saved = CLIPTokenizerFast(vocab={piece: n for n, piece in enumerate(pieces)}, merges=[("n", "o</w>")])
    saved.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["bert_folder", "clip_folder"])
def test_a_pretrained_tokenizer_gives_the_tokens_of_transformers(name: str, request: pytest.FixtureRequest) -> None:
    from transformers import AutoTokenizer

    folder = request.getfixturevalue(name)
    texts = ["Heart size. No hearts, no size. Heart sizes of no heart.", "no [SEP] no"]
    loaded, reference = load_tokenizer(str(folder)), AutoTokenizer.from_pretrained(folder)
    batch = loaded.tokenise(texts)
    assert batch.tokens_T[: batch.offsets[1]].tolist() == reference(texts[0], add_special_tokens=False)["input_ids"]
    ids = (
        reference(texts[0])["input_ids"]
        if name == "clip_folder"
        else reference(texts[0], truncation=False)["input_ids"]
    )
    assert (loaded.special.cls, loaded.special.sep) == (ids[0], ids[-1])
    assert loaded.special.sep not in batch.tokens_T.tolist()
    assert loaded.vocabulary == len(reference)
    assert batch.sentences_T[batch.offsets[1] - 1] == 2


def test_a_tokenizer_whose_class_is_code_of_its_repository_is_read_without_running_it(
    bert_folder: Path, tmp_path: Path
) -> None:
    """Like microsoft/BiomedVLP-CXR-BERT-specialized on the hub: a vocabulary, and a class that is its own code."""
    known = load_tokenizer(str(bert_folder)).backend.get_vocab()
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(known, key=known.__getitem__)))
    (tmp_path / "tokenization_cxrbert.py").write_text("raise SystemExit('this code is never run')")
    own = {"AutoTokenizer": ["tokenization_cxrbert.CXRBertTokenizer", None]}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CXRBertTokenizer", "auto_map": own})
    )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "cxr-bert"}))
    loaded = load_tokenizer(str(tmp_path))
    assert loaded.special == SpecialIds(cls=1, sep=2, pad=0, mask=4)
    assert loaded.tokenise(["Heart sizes."]).tokens_T.tolist() == [5, 6, 7, 8]


def test_a_tokenizer_without_a_start_token_has_none(bert_folder: Path, tmp_path: Path) -> None:
    """Like that of SigLIP: only padding and end tokens."""
    shutil.copy(bert_folder / "tokenizer.json", tmp_path)
    described = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "[SEP]", "pad_token": "[PAD]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(described))
    assert load_tokenizer(str(tmp_path)).special == SpecialIds(cls=None, sep=2, pad=0, mask=None)


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere"])
def test_a_tokenizer_that_cannot_be_loaded_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError, match=r"model\.text\.backbone: the tokenizer of"):
        load_tokenizer(name)


@pytest.mark.skipif(not OPENI.is_file(), reason="the real reports of shared/data/openi are not available")
def test_real_reports_need_few_unknown_tokens_and_lose_no_sentence() -> None:
    with OPENI.open(encoding="utf-8") as file:
        reports = [(row["uid"], f"{row['findings']}\nIMPRESSION: {row['impression']}") for row in csv.DictReader(file)][
            :800
        ]
    tokenizer = load_tokenizer(train_tokenizer(reports, 2000))
    texts = [text for _, text in reports]
    batch = tokenizer.tokenise(texts)
    assert (batch.tokens_T == 1).mean() < 0.001
    assert len(batch.tokens_T) / (batch.words_T[batch.offsets[1:] - 1] + 1).sum() < 1.25  # tokens per word
    counted = batch.sentences_T[batch.offsets[1:] - 1] + 1
    assert counted.tolist() == [len(sentence_starts(text)) for text in texts]
