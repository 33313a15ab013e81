"""Cross-validation by patient: all pairs of a data set are assigned to folds, and each fold is tested once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from radsweep.data.loading.decode import ShardIndex, with_unpaired
from radsweep.data.loading.index import SplitIndex, StudyRow, indexed
from radsweep.data.loading.prepared import PreparedData, PreparedSplit, prepared_data
from radsweep.data.shards.schema import SPLITS, Split
from radsweep.data.text.tokenizer import load_tokenizer
from radsweep.errors import InputError


def assign_folds(patient_ids: Sequence[str], folds: int) -> dict[str, int]:
    """Return {patient: fold} from the patient of each study. It does not depend on their order, replicate or arm.

    Patients with most studies come first, ties in the order of their hashes. Each goes to the fold with the fewest
    studies.
    """
    sizes = [0] * folds
    fold_of_patient: dict[str, int] = {}
    counts = Counter(patient_ids)
    for patient in sorted(counts, key=lambda patient: (-counts[patient], _hash(patient))):
        smallest = sizes.index(min(sizes))
        fold_of_patient[patient] = smallest
        sizes[smallest] += counts[patient]
    return fold_of_patient


def fold_of(shards: ShardIndex, folds: int, fold: int) -> ShardIndex:
    """Split the pairs of all splits again: test is fold `fold`, validation the next one, train the others.

    Unpaired studies of test and validation patients are excluded.

    Raises:
        InputError: a split would have fewer than 2 pairs.
    """
    rows = [row for split in shards.splits for row in _rows(shards.splits[split], shards.reports[split])]
    fold_of_patient = assign_folds([row.patient_id for row in rows], folds)
    held_out: dict[int, Split] = {fold: "test", (fold + 1) % folds: "validation"}
    split_of = {patient: held_out.get(number, "train") for patient, number in fold_of_patient.items()}
    splits: dict[Split, SplitIndex] = {}
    reports: dict[Split, list[str]] = {}
    for split in SPLITS:
        splits[split], reports[split] = indexed(
            (row for row in rows if split_of[row.patient_id] == split), len(shards.manifest.labels)
        )
        if len(splits[split]) < 2:
            raise InputError(
                f"with {folds} folds, the {split} split of fold {fold} has {len(splits[split])} pairs and needs 2 "
                f"({len(rows)} pairs, {len(fold_of_patient)} patients). Lower data.folds"
            )
    never = frozenset(patient for patient, split in split_of.items() if split != "train")
    return replace(shards, splits=splits, reports=reports, held_out=never)


def resplit(prepared: PreparedData, shards: ShardIndex, tokenizer: str) -> PreparedData:
    """Return a data set's decoded images in the splits of one of its folds, tokenised for it. Nothing is decoded again.

    Args:
        prepared: the data set in its own splits, decoded in full and not materialised.
        shards: one fold, from `fold_of`.
    """
    places: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # study -> block and row of each of its images
    for part in (*prepared.splits.values(), *prepared.unpaired.values()):
        first = part.index.first_image_S1
        for study, start, stop in zip(part.index.study_ids, first[:-1], first[1:], strict=True):
            places[study] = part.block_M[start:stop], part.row_M[start:stop]
    loaded = load_tokenizer(tokenizer)
    blocks = next(iter(prepared.splits.values())).blocks
    indices, texts = with_unpaired(shards, prepared.unpaired)
    parts: dict[str, PreparedSplit] = {}
    for name, index in indices.items():
        block_M = np.concatenate([np.empty(0, np.int32), *(places[study][0] for study in index.study_ids)])
        row_M = np.concatenate([np.empty(0, np.int64), *(places[study][1] for study in index.study_ids)])
        parts[name] = PreparedSplit(index, loaded.tokenise(texts[name], shards.joined), blocks, block_M, row_M)
    return replace(prepared_data(parts, tokenizer, shards.manifest, decoded=0), sets=prepared.sets)


def _rows(index: SplitIndex, reports: Sequence[str]) -> list[StudyRow]:
    images = np.diff(index.first_image_S1).tolist()
    return list(map(StudyRow, index.study_ids, index.patient_ids, reports, images, index.labels_SC))


def _hash(patient: str) -> bytes:
    return hashlib.sha256(f"fold\n{patient}".encode()).digest()
