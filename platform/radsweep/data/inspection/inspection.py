"""Contents of a packed data set: counts, sizes, lengths, repeats, labels. Never a report's text or a source's id."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from rich.console import RenderableType

from radsweep.config.model import TextTower
from radsweep.data import storage
from radsweep.data.images.codec import PictureError, shape_and_turn
from radsweep.data.packing.rows import normalise
from radsweep.data.shards.dataset import read_manifest, shard_paths
from radsweep.data.shards.schema import KINDS, SPLITS, Manifest, Split, StudyKind
from radsweep.data.text.impressions import end_with_impression, sections_of
from radsweep.data.text.tokenizer import load_tokenizer, train_tokenizer
from radsweep.data.text.truncation import count_cuts, room
from radsweep.display import Shown
from radsweep.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COMMON_LENGTHS = (64, 77, 128, 256, 512)  # tokens: SigLIP, CLIP, the default, BiomedCLIP, BERT
_STUDIES_AT_A_TIME = 16  # studies held in memory


class RangeSummary(BaseModel):
    """Smallest, median and largest of a list of numbers."""

    model_config = ConfigDict(frozen=True)
    smallest: int
    median: float
    largest: int


class Repeats(BaseModel):
    """Studies that share their report (except for case and white space) with another study."""

    model_config = ConfigDict(frozen=True)
    reports: int  # different reports that more than one study has
    studies: int  # studies that have one of these
    same_patient: int  # those of these studies whose report another study of the same patient has: false negatives
    across_splits: int  # those of the reports that are in more than one split


class Prevalence(BaseModel):
    """Studies with label 1, 0, and without a known label."""

    model_config = ConfigDict(frozen=True)
    positive: int = 0
    negative: int = 0
    unknown: int = 0


class CutReports(BaseModel):
    """Reports of the pairs that are cut at a length, as `model.text.max_tokens` cuts them (their end is lost)."""

    model_config = ConfigDict(frozen=True)
    max_tokens: int  # special tokens included
    reports: int
    cut: int
    impressions: int  # reports that show where their impression begins
    lost: int  # those of these that lose their whole impression


class Inspection(Shown, BaseModel):
    """Contents of a packed data set, as returned by `radsweep.inspect`. `print` and a notebook show its tables.

    `radsweep inspect --json` prints its `model_dump()`.

    Example:
        >>> import radsweep as rs
        >>> found = rs.inspect("my-shards")
        >>> found.studies["pairs"], found.longest_side.largest
        ({'train': 80, 'validation': 40, 'test': 40}, 32)
    """

    model_config = ConfigDict(frozen=True)
    name: str
    fingerprint: str
    bytes: int
    studies: dict[StudyKind, dict[Split, int]]
    patients: dict[StudyKind, dict[Split, int]]
    images: dict[StudyKind, dict[Split, int]]
    shortest_side: RangeSummary | None  # pixels
    longest_side: RangeSummary | None
    formats: dict[str, int]
    source_formats: dict[str, int]  # of the files that were packed; empty for sets made by an older version
    low_contrast: dict[str, int]  # the same, only images with hardly any contrast, such as nearly black ones
    views: dict[str, int]
    images_per_study: RangeSummary | None
    report_words: dict[StudyKind, RangeSummary]
    tokenizer: (
        str  # that counted `cut_reports`; empty: one trained on the training split, as for a text tower from scratch
    )
    cut_reports: tuple[CutReports, ...]
    repeats: Repeats  # among pairs
    labels: dict[str, dict[Split, Prevalence]]
    dropped: dict[str, int]
    notes: tuple[str, ...]
    source: dict[str, str | int | float | bool]

    def frame(self) -> pd.DataFrame:
        """Return sizes as a pandas frame.

        Returns:
            A row for each `kind` (pairs, images, reports) and `split` that has studies, with the columns `studies`,
            `patients` and `images`.

        Example:
            >>> import radsweep as rs
            >>> rs.inspect("my-shards").frame()["studies"].tolist()
            [80, 40, 40]
        """
        import pandas as pd

        counted = {"studies": self.studies, "patients": self.patients, "images": self.images}
        rows = [
            {"kind": kind, "split": split, **{name: of[kind][split] for name, of in counted.items()}}
            for kind in KINDS
            for split in SPLITS
            if self.studies[kind][split]
        ]
        return pd.DataFrame(rows, columns=["kind", "split", *counted])

    def label_frame(self) -> pd.DataFrame:
        """Return labels as a pandas frame.

        Returns:
            A row for each `label` and `split`, with the number of studies that are `positive`, `negative` and
            `unknown`.

        Example:
            >>> import radsweep as rs
            >>> rs.inspect("my-shards").label_frame().columns.tolist()
            ['label', 'split', 'positive', 'negative', 'unknown']
        """
        import pandas as pd

        rows = [
            {"label": label, "split": split, **counts.model_dump()}
            for label, splits in self.labels.items()
            for split, counts in splits.items()
        ]
        return pd.DataFrame(rows, columns=["label", "split", *Prevalence.model_fields])

    def __rich__(self) -> RenderableType:
        from radsweep.data.inspection.table import inspection_tables  # here, since that module imports this class

        return inspection_tables(self)


def inspect_dataset(folder: str | Path, tokenizer: str = "", lengths: Sequence[int] = COMMON_LENGTHS) -> Inspection:
    """Read every shard once, and only the headers of pictures.

    Args:
        tokenizer: hub id or folder of the text model whose tokenizer counts the cut reports; by default, one is trained
            on the training split.
        lengths: in tokens, at which reports are cut.

    Raises:
        InputError: the data set is broken, or the tokenizer cannot be loaded.
    """
    manifest = read_manifest(folder)
    pairs: dict[Split, list[tuple[str, str]]] = defaultdict(list)  # (patient, report)
    sides: list[tuple[int, int]] = []
    formats: Counter[str] = Counter()
    views: Counter[str] = Counter()
    words: dict[StudyKind, list[int]] = defaultdict(list)
    per_study: list[int] = []
    owners_of: dict[bytes, list[tuple[str, Split]]] = defaultdict(list)  # by the digest of a report
    labels: dict[str, dict[Split, Counter[float | None]]] = {
        name: {split: Counter() for split in SPLITS} for name in manifest.labels
    }
    for kind in KINDS:
        for split in SPLITS:
            for path in shard_paths(folder, manifest, kind, split):
                for study in read_studies(path):
                    for image in study["images"]:
                        sides.append(_sides(image["data"], path))
                        formats["PNG" if image["data"].startswith(b"\x89PNG") else "JPEG"] += 1
                        views[image["view"] or "not given"] += 1
                    if study["images"]:
                        per_study.append(len(study["images"]))
                    if study["report"] is not None:
                        words[kind].append(len(study["report"].split()))
                        if kind == "pairs":
                            pairs[split].append((study["patient_id"], study["report"]))
                            owners_of[_digest(study["report"])].append((study["patient_id"], split))
                    known = dict(study["labels"])
                    for name, counts in labels.items():
                        counts[split][known.get(name)] += 1
    return Inspection(
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        bytes=sum(shard.bytes for shard in manifest.shards),
        studies=manifest.studies,
        patients=manifest.patients,
        images=manifest.images,
        shortest_side=_spread([min(pair) for pair in sides]),
        longest_side=_spread([max(pair) for pair in sides]),
        formats=dict(formats.most_common()),
        source_formats=manifest.source_formats,
        low_contrast=manifest.low_contrast,
        views=dict(views.most_common()),
        images_per_study=_spread(per_study),
        report_words={kind: spread for kind in words if (spread := _spread(words[kind]))},
        tokenizer=tokenizer,
        cut_reports=_cut_reports(pairs, manifest, tokenizer, lengths),
        repeats=_repeats(owners_of),
        labels={name: {split: _prevalence(splits[split]) for split in SPLITS} for name, splits in labels.items()},
        dropped=manifest.dropped,
        notes=manifest.notes,
        source=manifest.source,
    )


def read_studies(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a shard. Raises InputError."""
    try:
        with storage.parquet(path) as file:
            for batch in file.iter_batches(batch_size=_STUDIES_AT_A_TIME):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: the shard cannot be read; copy it again") from error


def _sides(data: bytes, path: str) -> tuple[int, int]:
    try:
        height, width, _ = shape_and_turn(data)
    except PictureError as error:
        raise InputError(f"{path}: contains a picture that cannot be read; pack the data again") from error
    return height, width


def _cut_reports(
    pairs: Mapping[Split, Sequence[tuple[str, str]]], manifest: Manifest, tokenizer: str, lengths: Sequence[int]
) -> tuple[CutReports, ...]:
    if not pairs.get("train"):
        return ()
    loaded = load_tokenizer(tokenizer or train_tokenizer(pairs["train"], TextTower().vocabulary))
    joined = end_with_impression(sections_of(manifest.source))
    parts = [loaded.tokenise([report for _, report in rows], joined) for rows in pairs.values()]
    found = ((length, count_cuts(parts, room(loaded.special, length), "head")) for length in lengths)
    return tuple(CutReports(max_tokens=length, **dataclasses.asdict(cuts)) for length, cuts in found)


def _digest(report: str) -> bytes:
    return hashlib.sha256(normalise(report).encode()).digest()


def _spread(numbers: Sequence[int]) -> RangeSummary | None:
    return RangeSummary(smallest=min(numbers), median=median(numbers), largest=max(numbers)) if numbers else None


def _repeats(owners_of: Mapping[bytes, Sequence[tuple[str, Split]]]) -> Repeats:
    shared = [owners for owners in owners_of.values() if len(owners) > 1]
    by_patient = [Counter(patient for patient, _ in owners) for owners in shared]
    return Repeats(
        reports=len(shared),
        studies=sum(map(len, shared)),
        same_patient=sum(count for counts in by_patient for count in counts.values() if count > 1),
        across_splits=sum(len({split for _, split in owners}) > 1 for owners in shared),
    )


def _prevalence(counts: Mapping[float | None, int]) -> Prevalence:
    return Prevalence(positive=counts.get(1.0, 0), negative=counts.get(0.0, 0), unknown=counts.get(None, 0))
