"""Tokenizers of the kinds that users have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE, WordPiece

import radsweep.augment
from radsweep.data.text.tokenizer import ReportTokenizer, load_tokenizer, train_tokenizer

ENGLISH = Path(radsweep.augment.__file__).parent / "languages" / "english.yaml"
TEXTS = (
    "Heart size is within normal limits. There is no evidence of pleural effusion or pneumothorax on the left.",
    "FINDINGS: Small right pleural effusion, likely layering. The lungs are otherwise clear. IMPRESSION: No change.",
    "The cardiac silhouette is mildly enlarged. Low lung volumes with bibasilar atelectasis. T-spine osteophytes. "
    "The lung bases are well seen.",
    "Patchy opacity in the left lower lobe, 2.5 cm nodule in the right apex but XXXX granulomas are unchanged. "
    "The thoracic spine is visualized.",
    "1. Cardiomegaly. 2. Possible scarring in the lung apex (calcified granuloma noted). 3. COPD and thoracic spine "
    "degenerative changes are seen.",
    "Mediastinal contours appear stable. Chest tube tip overlies the lung base. Heart and/or lungs unremarkable.",
    "No acute disease.",
    "Normal.",
    "",
)  # no patient's: written here


@pytest.fixture(scope="session")
def texts() -> tuple[str, ...]:
    """Reports with every kind of word that augmentation tells apart; the last is empty."""
    return TEXTS


@pytest.fixture(scope="session")
def tokenizer_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ReportTokenizer]:
    """tokenizer_of(kind): trained (here, lower case), wordpiece, byte-level (both with case) or clip; it knows
    the words of `texts` and the synonyms that ship."""
    groups = yaml.load(ENGLISH.read_text(), yaml.BaseLoader)["synonyms"]
    corpus = [*TEXTS, *(f"The {member} {member}." for group in groups for member in group)] * 5
    made: dict[str, ReportTokenizer] = {}

    def tokenizer(kind: str) -> ReportTokenizer:
        if kind not in made:
            if kind == "trained":
                made[kind] = load_tokenizer(
                    train_tokenizer([(f"p{n % 5}", text) for n, text in enumerate(sorted(corpus))], 4000)
                )
            else:
                folder = tmp_path_factory.mktemp(kind)
                _SAVED[kind](corpus).save_pretrained(folder)
                made[kind] = load_tokenizer(str(folder))
        return made[kind]

    return tokenizer


def _wordpiece(corpus: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    backend.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=4000, special_tokens=[*names.values()]))
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def _byte_level(corpus: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=4000, special_tokens=[*names.values()], initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def _clip(corpus: list[str]) -> Any:
    from transformers import CLIPTokenizerFast

    backend = Tokenizer(BPE(end_of_word_suffix="</w>"))
    backend.normalizer = normalizers.Lowercase()
    pattern = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    split = pre_tokenizers.Split(pattern, behavior="removed", invert=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
    )
    backend.train_from_iterator(corpus, trainer)
    model = json.loads(backend.to_str())["model"]
    vocabulary = model["vocab"]
    for letter in sorted(alphabet):
        vocabulary.setdefault(f"{letter}</w>", len(vocabulary))
    return CLIPTokenizerFast(vocab=vocabulary, merges=[tuple(merge) for merge in model["merges"]])


_SAVED = {"wordpiece": _wordpiece, "byte-level": _byte_level, "clip": _clip}
