"""Data sets on disk: written in full or not at all, read through the manifest. schema.py describes their contents."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pydantic import ValidationError

from radsweep.data import storage
from radsweep.data.images.codec import ENCODED_AS
from radsweep.data.shards.fingerprint import Fingerprint
from radsweep.data.shards.pseudonyms import Pseudonyms, new_key
from radsweep.data.shards.schema import KINDS, SCHEMA_VERSION, SPLITS, Manifest, Split, Study, StudyKind
from radsweep.data.shards.writer import ShardWriter, sha256_of
from radsweep.errors import InputError
from radsweep.filesystem import new_folder

MANIFEST = "manifest.json"
# Errors that one wrong byte can cause in reading a Parquet file, which may even change its schema.
DAMAGE = (OSError, pa.ArrowException, ValueError, LookupError, TypeError, AttributeError)


def write_dataset(
    out: Path,
    studies: Iterable[Study],
    *,
    name: str,
    source: Mapping[str, str | int | float | bool],
    dropped: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    rows_per_shard: int = 512,
    key: bytes | None = None,
) -> Manifest:
    """Stream studies into a new data set at `out`; patient, study and image ids become keyed hashes.

    key: key of the hashes; random if None. The same studies and key give the same fingerprint, whatever their order
    and `rows_per_shard`.

    Raises:
        InputError: `out` exists, a patient is in two splits, a study occurs twice or lacks a part, `studies` is
            empty, or the disk is full. Nothing is left behind then.
    """
    with new_folder(out) as folder:
        return write_shards(
            folder,
            studies,
            name=name,
            source=source,
            dropped=dropped,
            notes=notes,
            rows_per_shard=rows_per_shard,
            key=key,
        )


def write_shards(
    folder: Path,
    studies: Iterable[Study],
    *,
    name: str,
    source: Mapping[str, str | int | float | bool],
    dropped: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    rows_per_shard: int = 512,
    key: bytes | None = None,
    source_formats: Mapping[str, int] | None = None,
    low_contrast: Mapping[str, int] | None = None,
) -> Manifest:
    """Write as `write_dataset`, into a folder that the caller made with `new_folder`. The manifest is written last."""
    pseudonyms = Pseudonyms(folder, key or new_key())
    fingerprint = Fingerprint()
    writers: dict[tuple[StudyKind, Split], ShardWriter] = {}
    split_of: dict[str, Split] = {}
    seen: set[str] = set()
    labels: set[str] = set()
    counts: dict[str, dict[StudyKind, dict[Split, int]]] = {
        what: {kind: dict.fromkeys(SPLITS, 0) for kind in KINDS} for what in ("studies", "images")
    }
    patients: dict[tuple[StudyKind, Split], set[str]] = defaultdict(set)
    try:
        for study in studies:
            _check(study)
            hashed = _hashed(study, pseudonyms)
            if split_of.setdefault(hashed.patient_id, study.split) != study.split:
                raise InputError("a patient's studies are in two splits; give each patient one split")
            if hashed.study_id in seen:
                raise InputError("two studies have the same id; make the study ids of a patient unique")
            seen.add(hashed.study_id)
            place = (study.kind, study.split)
            if place not in writers:
                writers[place] = ShardWriter(folder, *place, rows_per_shard)
            writers[place].add(hashed)
            fingerprint.add(hashed)
            labels.update(study.labels)
            patients[place].add(hashed.patient_id)
            counts["studies"][study.kind][study.split] += 1
            counts["images"][study.kind][study.split] += len(study.images)
        if not seen:
            raise InputError("no studies to write")
        shards = [shard for place in sorted(writers) for shard in writers[place].close()]
    finally:
        pseudonyms.close()
        for writer in writers.values():
            writer.abandon()
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        fingerprint=fingerprint.hexdigest(),
        shards=tuple(shards),
        studies=counts["studies"],
        patients={kind: {split: len(patients[kind, split]) for split in SPLITS} for kind in KINDS},
        images=counts["images"],
        labels=tuple(sorted(labels)),
        dropped=dict(dropped or {}),
        source_formats=dict(source_formats or {}),
        low_contrast=dict(low_contrast or {}),
        notes=tuple(notes),
        source=dict(source),
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def read_manifest(folder: str | Path) -> Manifest:
    """Return the manifest of a data set after checking that all shards exist with their sizes. Raises InputError."""
    path = storage.inside(folder, MANIFEST)
    try:
        with storage.opened(path) as file:
            content = json.loads(file.read())
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no packed data set there ({MANIFEST} is missing)") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON; pack the data again") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version is {version}, but this radsweep reads {SCHEMA_VERSION}; pack the data again"
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{path}: {where}: {error.errors()[0]['msg']}; pack the data again") from error
    for shard in manifest.shards:
        inside = PurePosixPath(shard.path)
        if inside.is_absolute() or ".." in inside.parts:
            raise InputError(f"{path}: the shard path {shard.path} leaves the data set; pack the data again")
        size = storage.size_of(storage.inside(folder, shard.path))
        if size is None:
            raise InputError(f"{folder}: shard {shard.path} is missing; copy the data set again")
        if size != shard.bytes:
            raise InputError(f"{folder}: shard {shard.path} has {size} bytes instead of {shard.bytes}; copy it again")
    return manifest


def shard_paths(folder: str | Path, manifest: Manifest, kind: StudyKind, split: Split) -> list[str]:
    """Return the paths of one kind and split, in order; empty if there are none."""
    chosen = [shard for shard in manifest.shards if shard.kind == kind and shard.split == split]
    return [storage.inside(folder, shard.path) for shard in chosen]


def verify_shards(folder: str | Path, manifest: Manifest) -> None:
    """Read every shard and compare its hash with the manifest's. Raises InputError with the bad shard's path."""
    for shard in manifest.shards:
        try:
            found = sha256_of(storage.inside(folder, shard.path))
        except OSError as error:
            raise InputError(f"{folder}: shard {shard.path} cannot be read: {error.strerror}") from error
        if found != shard.sha256:
            raise InputError(f"{folder}: shard {shard.path} is damaged (its hash differs); copy it again")


def damage(path: str) -> str:
    """Return the reason why a shard cannot be read to its end, in a few words, or ""."""
    try:
        file = storage.parquet(path)
        for number in range(file.num_row_groups):
            file.read_row_group(number)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror or 'damaged'})"
    except (pa.ArrowException, ValueError):
        return "is damaged"
    return ""


def _check(study: Study) -> None:
    if study.split not in SPLITS:
        raise InputError(f"split {study.split!r}: expected one of {', '.join(SPLITS)}")
    if study.report is not None and not study.report.strip():
        raise InputError("a study has a blank report; drop the study, or pack it without a report")
    if study.report is None and not study.images:
        raise InputError("a study has neither a report nor an image")
    if not all(image.data.startswith(ENCODED_AS) for image in study.images):
        raise InputError("a study's image is neither PNG nor JPEG")


def _hashed(study: Study, pseudonyms: Pseudonyms) -> Study:
    return replace(
        study,
        patient_id=pseudonyms.patient(study.patient_id),
        study_id=pseudonyms.study(study),
        images=tuple(replace(image, image_id=pseudonyms.image(study, image.image_id)) for image in study.images),
    )
