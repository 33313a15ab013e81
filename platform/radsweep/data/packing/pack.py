"""Pack a source's rows into a data set: read pictures once, count faults by reason, keep each person in one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radsweep import __version__
from radsweep.data.images.faults import advice
from radsweep.data.packing import rows as reasons
from radsweep.data.packing.duplicates import merged_ids, placeholders, same_person
from radsweep.data.packing.image_cache import FILES, ImageCache, Progress, Say
from radsweep.data.packing.intake import take_in
from radsweep.data.packing.reading import Reader, read_here
from radsweep.data.packing.rows import Dropped, SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.packing.splits import conflicts, majority, make_splits
from radsweep.data.packing.studies import Draft, Picture, Requirements, draft_studies
from radsweep.data.shards.dataset import write_shards
from radsweep.data.shards.pseudonyms import read_key, write_private
from radsweep.data.shards.schema import Image, Manifest, Split, Study
from radsweep.errors import InputError
from radsweep.filesystem import new_folder


@dataclass(frozen=True)
class Packed:
    """Result of packing. The dropped rows name patients, so they may only be written to OUT/private."""

    manifest: Manifest
    rows: int
    packed: int
    dropped: tuple[Dropped, ...]
    low_contrast: tuple[int, ...]  # rows that have an image with hardly any contrast
    one_person: tuple[tuple[int, ...], ...]  # groups of patient ids that share a picture: the first row of each id
    moved: tuple[tuple[int, ...], ...]  # those of these groups whose given splits differed


def pack(
    rows: Sequence[SourceRow],
    root: Path,
    out: Path,
    settings: PackSettings,
    needs: Requirements,
    *,
    source: Mapping[str, str | int | float | bool],
    notes: Sequence[str] = (),
    reader: Reader = read_here,
    progress: Progress = lambda what, done, total: None,
    say: Say = lambda line: None,
) -> Packed:
    """Pack `rows`, whose files are under `root`, into a new data set at `out`.

    If it is killed or interrupted, calling it again continues: pictures that were read are not read again. The same
    rows and key give the same shards, byte by byte, with any reader and any number of interruptions.

    Raises:
        InputError: nothing is left to pack, a patient's given splits differ, or `out` cannot be written. Nothing is
            written or kept then.
    """
    key = read_key(settings.key_file) if settings.key_file else None
    with new_folder(out, FILES) as folder, ImageCache(folder, root, settings.size) as cache:
        rows, changed = take_in(rows, root, progress)
        dropped = [Dropped(row, row.fault) for row in rows if row.fault]
        sound = [row for row in rows if not row.fault]
        cache.fill((path for row in sound for path in row.files), reader, progress, say)
        pictures, faults, person_of = _look(sound, cache)
        drafts, more = draft_studies(sound, pictures, faults, person_of, needs, settings.missing)
        dropped = sorted([*dropped, *more], key=lambda drop: drop.row.number)
        counts = Counter(drop.reason for drop in dropped)
        if not drafts:
            listed = ", ".join(f"{reason}: {count}" for reason, count in counts.most_common())
            raise InputError(f"{root}: none of {len(rows)} rows can be packed ({listed})")
        split_of, moved = _splits(drafts, settings)
        one_person = merged_ids(person_of)
        formats, low = _formats(drafts, cache), _low_contrast(drafts, cache)
        packed = len(rows) - len(dropped)
        manifest = write_shards(
            folder,
            _studies(drafts, split_of, cache, progress),
            name=settings.name or out.name,
            source={"version": __version__, **_recorded(settings), **source, "rows": len(rows), "packed": packed},
            dropped=dict(counts.most_common()),
            notes=[*notes, *changed, *_notes(one_person, moved), *_left_out(drafts, cache)],
            key=key,
            source_formats=formats,
            low_contrast=dict(Counter(cache.pictures[path].source for _, path in low).most_common()),
        )
        listing = ((drop.row.number, drop.reason, " ".join(drop.row.files)) for drop in dropped)
        write_private(folder, "dropped.csv", ("row", "reason", "path"), listing)
        listing = ((row.number, cache.pictures[path].source, path) for row, path in low)
        write_private(folder, "low_contrast.csv", ("row", "format", "path"), listing)
        write_private(
            folder, "one_person.csv", ("person", "patient"), [(ids[0], name) for ids in one_person for name in ids]
        )
    first_rows = _first_rows(sound)
    by_row = [tuple(tuple(first_rows[name] for name in ids) for ids in groups) for groups in (one_person, moved)]
    low_rows = tuple(dict.fromkeys(row.number for row, _ in low))
    return Packed(manifest, len(rows), packed, tuple(dropped), low_rows, *by_row)


def describe(packed: Packed) -> list[str]:
    """Return lines for the terminal, which a log may keep: they name rows by number and contain no ids."""
    lines = [f"packed {packed.packed} of {packed.rows} rows"]
    for rows in packed.one_person:
        ids = f"rows {', '.join(map(str, rows[:-1]))} and {rows[-1]}"
        moved = (
            "; their given splits differed, so all are in the split with most studies" if rows in packed.moved else ""
        )
        lines.append(
            f"{ids} are one person with {len(rows)} ids, since they share a picture; kept as one patient{moved}"
        )
    if packed.one_person:
        lines.append("the ids of each person are listed in private/one_person.csv")
    for reason, count in packed.manifest.dropped.items():
        numbers = [drop.row.number for drop in packed.dropped if drop.reason == reason]
        todo = f"; {advice(reason)}" if advice(reason) else ""
        lines.append(f"dropped, {reason}: {count} ({_some(numbers)}){todo}")
    for source, count in packed.manifest.low_contrast.items():
        lines.append(f"hardly any contrast: {count} of {packed.manifest.source_formats[source]} images ({source})")
    if packed.low_contrast:
        lines.append(
            f"these are in {_some(packed.low_contrast)}; look at them: radsweep inspect SHARDS --pictures FILE.html"
        )
    lines += packed.manifest.notes
    return lines


def _some(rows: Sequence[int]) -> str:
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"rows {', '.join(map(str, rows[:10]))}{more}"


def _look(
    rows: Sequence[SourceRow], cache: ImageCache
) -> tuple[dict[int, list[Picture]], dict[int, str], dict[str, str]]:
    """Return readable pictures by row, the reason why a row has none, and the person behind each patient id."""
    found = cache.pictures
    readable = [(row, path) for row in rows for path in row.files if not found[path].fault]
    stand_ins = placeholders((row.patient, found[path].pixels) for row, path in readable)
    pictures: dict[int, list[Picture]] = {row.number: [] for row in rows}
    for row, path in readable:
        if found[path].pixels not in stand_ins:
            pictures[row.number].append((path, found[path].pixels))
    faults = {}
    for row in rows:
        why = [found[path].fault or reasons.STAND_IN_IMAGE for path in row.files]
        faults[row.number] = "" if pictures[row.number] else (why or [reasons.NO_IMAGE])[0]
    shown = ((row.patient, pixels) for row in rows for _, pixels in pictures[row.number])
    return pictures, faults, same_person(shown)


def _formats(drafts: Sequence[Draft], cache: ImageCache) -> dict[str, int]:
    """Count the packed images by the format of the source's file, most frequent first."""
    return dict(Counter(cache.pictures[path].source for draft in drafts for _, path in draft.pictures).most_common())


def _low_contrast(drafts: Sequence[Draft], cache: ImageCache) -> list[tuple[SourceRow, str]]:
    """Return packed images with hardly any contrast, in the order of their rows."""
    found = [(row, path) for draft in drafts for row, path in draft.pictures if cache.pictures[path].low_contrast]
    return sorted(found, key=lambda image: image[0].number)


def _left_out(drafts: Sequence[Draft], cache: ImageCache) -> list[str]:
    """Return a note for each reason why packed rows lack one of their images."""
    faults = (cache.pictures[path].fault for draft in drafts for row in draft.rows for path in row.files)
    counted = Counter(fault for fault in faults if fault).most_common()
    return [f"packed without one of its images, {fault}: {count}" for fault, count in counted]


def _first_rows(rows: Sequence[SourceRow]) -> dict[str, int]:
    """Return the number of each patient's first row."""
    return {row.patient: row.number for row in reversed(rows)}


def _splits(drafts: Sequence[Draft], settings: PackSettings) -> tuple[dict[str, Split], list[tuple[str, ...]]]:
    """Return the split of each person, and the groups of ids whose given splits differed."""
    given: dict[str, list[Split]] = defaultdict(list)
    by_patient: dict[str, list[Split]] = defaultdict(list)
    patients: dict[str, dict[str, None]] = defaultdict(dict)
    for draft in drafts:
        for row in draft.rows:
            if row.split:
                given[draft.person].append(row.split)
                by_patient[row.patient].append(row.split)
                patients[draft.person][row.patient] = None
    torn = set(conflicts(by_patient))
    if torn:
        rows = [row.number for draft in drafts for row in draft.rows if row.patient in torn]
        raise InputError(
            f"the given splits put {len(torn)} patients into more than one split (rows {', '.join(map(str, rows[:6]))}"
            ", ...). Correct them, or omit the split column to split by seed"
        )
    if given:
        moved = [tuple(patients[person]) for person in conflicts(given)]
        return {person: majority(named) for person, named in given.items()}, moved
    paired = {draft.person for draft in drafts if draft.pictures and draft.report is not None}
    alone = {draft.person for draft in drafts} - paired
    made = [make_splits(people, settings.split_fractions, settings.seed) for people in (paired, alone)]
    return made[0] | made[1], []


def _studies(
    drafts: Sequence[Draft], split_of: Mapping[str, Split], cache: ImageCache, progress: Progress
) -> Iterator[Study]:
    for done, draft in enumerate(drafts, 1):
        images = tuple(Image(path, cache.read(path), row.view) for row, path in draft.pictures)
        yield Study(
            study_id=draft.study_id,
            patient_id=draft.person,
            split=split_of[draft.person],
            report=draft.report,
            images=images,
            labels=draft.labels,
        )
        progress("writing studies", done, len(drafts))


def _recorded(settings: PackSettings) -> dict[str, str | int | float | bool]:
    """Settings that decide what is in the shards."""
    values: dict[str, str | int | float | bool] = {
        "seed": settings.seed,
        "split_fractions": ", ".join(map(str, settings.split_fractions)),
        "without_reports": settings.without_reports,
        "without_images": settings.without_images,
    }
    return values | ({"size": settings.size} if settings.size else {})


def _notes(one_person: Sequence[tuple[str, ...]], moved: Sequence[tuple[str, ...]]) -> list[str]:
    notes = []
    if one_person:
        ids = sum(map(len, one_person))
        people = "1 person" if len(one_person) == 1 else f"{len(one_person)} people"
        notes.append(f"{ids} patient ids are {people}, since they share a picture, and count as {people}")
    if moved:
        notes.append(
            f"{len(moved)} of these were in two given splits and were put into the split with most of their rows"
        )
    return notes
