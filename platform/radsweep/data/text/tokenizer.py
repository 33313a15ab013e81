"""Reports as numbers: a tokenizer as data, and a ragged batch of tokenised reports.

A tokenizer trained here keeps only words that the reports of at least 5 patients use (with fewer patients: words that
all of them use). A name or another rare word is spelled in pieces of common words or becomes unknown.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from radsweep.data.text.impressions import impression_start
from radsweep.data.text.sentences import sentence_starts
from radsweep.data.text.wordpieces import CONTINUES, wordpieces
from radsweep.errors import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4 of a tokenizer trained here
PATIENTS_PER_WORD = 5
NO_IMPRESSION = np.iinfo(np.int32).max
_TEXTS_AT_ONCE = 1000


class TokenisedReports(NamedTuple):
    """N reports of T tokens in total, without special tokens, uncut. Arrays let Ray share them without a copy."""

    tokens_T: NDArray[np.int32]
    sentences_T: NDArray[np.int32]  # number of the token's sentence within its report, from 0, without gaps
    words_T: NDArray[np.int32]  # number of the token's word within its report, from 0, without gaps
    offsets: NDArray[np.int64]  # N + 1: report i holds the tokens offsets[i] to offsets[i + 1]
    impression_N: NDArray[np.int32] | None = None  # number of the impression's first sentence; NO_IMPRESSION if unknown

    def take(self, rows: NDArray[np.int64]) -> TokenisedReports:
        """Return the reports at `rows`, in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        impression_N = None if self.impression_N is None else self.impression_N[rows]
        return TokenisedReports(
            self.tokens_T[index], self.sentences_T[index], self.words_T[index], offsets, impression_N
        )


class SpecialIds(NamedTuple):
    """Ids of the special tokens; `cls` (the start) and `mask` are None if a tokenizer has none."""

    cls: int | None
    sep: int
    pad: int
    mask: int | None


@dataclass(frozen=True)
class ReportTokenizer:
    """Turn report texts into tokens. It can be pickled; equal fingerprints tokenise alike."""

    backend: Tokenizer
    special: SpecialIds
    vocabulary: int  # number of ids
    fingerprint: str

    def tokenise(self, texts: Sequence[str], joined: bool = False) -> TokenisedReports:
        """Return every token of every text; long reports are cut later, after augmentation.

        Args:
            joined: as in `radsweep.data.text.impressions.impression_start`.
        """
        lengths: list[int] = []
        impressions: list[int] = []
        columns: tuple[list[int], list[int], list[int]] = ([], [], [])
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            part = list(texts[first : first + _TEXTS_AT_ONCE])
            for text, encoding in zip(part, self.backend.encode_batch(part, add_special_tokens=False), strict=True):
                sentences = _sentence_numbers(text, encoding)
                lengths.append(len(encoding.ids))
                impressions.append(_impression(text, encoding, sentences, joined))
                columns[0].extend(encoding.ids)
                columns[1].extend(sentences)
                columns[2].extend(_without_gaps(encoding.word_ids))
        tokens_T, sentences_T, words_T = (np.array(column, dtype=np.int32) for column in columns)
        return TokenisedReports(
            tokens_T,
            sentences_T,
            words_T,
            np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
            np.array(impressions, dtype=np.int32),
        )


def train_tokenizer(reports: Iterable[tuple[str, str]], vocabulary: int) -> str:
    """Train a lower-casing WordPiece tokenizer on (patient id, report) rows.

    Args:
        reports: reports of the training split, in any order.
        vocabulary: largest number of ids, including special tokens.

    Returns:
        The tokenizer as JSON of the `tokenizers` library.
    """
    backend = Tokenizer(WordPiece(unk_token="[UNK]"))
    backend.normalizer = BertNormalizer(lowercase=True)
    backend.pre_tokenizer = BertPreTokenizer()
    pieces = [*SPECIAL_TOKENS, *wordpieces(_common_words(backend, reports), vocabulary - len(SPECIAL_TOKENS))]
    backend.model = WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")
    backend.decoder = WordPieceDecoder(prefix=CONTINUES)
    return backend.to_str()


def load_tokenizer(source: str) -> ReportTokenizer:
    """Load a tokenizer from a JSON text of `train_tokenizer`, or that of a pretrained model (hub id or local folder).

    Raises:
        InputError: the model does not exist, has no fast tokenizer, or lacks special tokens that are needed.
    """
    return _trained(source) if source.lstrip().startswith("{") else _pretrained(source)


def unknown_token(backend: Tokenizer) -> int | None:
    """Return the id of words that a tokenizer does not know, or None if it can spell every word."""
    model = backend.model
    name = getattr(model, "unk_token", None)
    return backend.token_to_id(name) if isinstance(name, str) else getattr(model, "unk_id", None)


def _common_words(backend: Tokenizer, reports: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return {word: occurrences} of the words that the reports of enough patients use."""
    counts: Counter[str] = Counter()
    users: defaultdict[str, set[str]] = defaultdict(set)  # patients of a word, up to the number needed
    patients: set[str] = set()
    for patient, text in reports:
        if len(patients) < PATIENTS_PER_WORD:
            patients.add(patient)
        words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))]
        counts.update(words)
        for word in set(words):
            if len(users[word]) < PATIENTS_PER_WORD:
                users[word].add(patient)
    return {word: count for word, count in counts.items() if len(users[word]) >= len(patients)}


def _trained(text: str) -> ReportTokenizer:
    backend = Tokenizer.from_str(text)
    start, end, padding, mask = (SPECIAL_TOKENS.index(name) for name in ("[CLS]", "[SEP]", "[PAD]", "[MASK]"))
    special = SpecialIds(start, end, padding, mask)
    return _tokenizer(backend, special)


def _pretrained(name: str) -> ReportTokenizer:
    tokenizer = _foreign(name)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    cls = tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
    sep = tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id
    pad = tokenizer.pad_token_id
    if backend is None or sep is None or pad is None:
        raise InputError(
            f"{name} needs a fast tokenizer (tokenizer.json) with end and padding tokens",
            key="model.text.backbone",
        )
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # "[SEP]" typed in a report is text
    return _tokenizer(backend, SpecialIds(cls, sep, pad, tokenizer.mask_token_id))


def _foreign(name: str) -> Any:
    """Load the transformers tokenizer of a hub id or folder.

    Some models name a class that is their own code (CXR-BERT) or needs a library that is not installed (SigLIP), but
    have files that any fast tokenizer reads.
    """
    from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

    reasons = []
    for kind in (AutoTokenizer, PreTrainedTokenizerFast, BertTokenizerFast):
        try:
            return kind.from_pretrained(name, trust_remote_code=False)
        except Exception as error:  # each class has its own error for missing files
            reasons.append(str(error).strip().split("\n")[0])
    raise InputError(
        f"the tokenizer of {name} cannot be loaded ({reasons[0]}); give a local folder with tokenizer.json, or a hub "
        "id that can be reached from this machine",
        key="model.text.backbone",
    )


def _tokenizer(backend: Tokenizer, special: SpecialIds) -> ReportTokenizer:
    identity = json.dumps([backend.to_str(), special]).encode()
    return ReportTokenizer(
        backend, special, backend.get_vocab_size(with_added_tokens=True), hashlib.sha256(identity).hexdigest()
    )


def _sentence_numbers(text: str, encoding: Encoding) -> list[int]:
    """Return, for each token, the sentence with its last character (the first may be the space before the token)."""
    starts = sentence_starts(text)
    return _without_gaps([bisect_right(starts, end - 1) for _, end in encoding.offsets])


def _impression(text: str, encoding: Encoding, sentences: Sequence[int], joined: bool) -> int:
    """The number of the sentence with the impression's first token."""
    start = impression_start(text, joined)
    if start is None:
        return NO_IMPRESSION
    token = bisect_right([end for _, end in encoding.offsets], start)
    return sentences[token] if token < len(sentences) else NO_IMPRESSION


def _without_gaps(numbers: Sequence[int | None]) -> list[int]:
    """Number runs of equal values: 0, 1, 2, ..."""
    result = [0] if numbers else []
    for before, after in pairwise(numbers):
        result.append(result[-1] + (before != after))
    return result
