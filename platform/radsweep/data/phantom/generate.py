"""Generate the phantom's studies in chunks. Each depends only on the version, difficulty, seed and its own id."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from radsweep.data.phantom.anatomy import draw_anatomy
from radsweep.data.phantom.difficulty import VERSION, Difficulty, difficulty_named
from radsweep.data.phantom.findings import PhantomFinding, draw_findings, labels_of
from radsweep.data.phantom.images import encode_png, render_images
from radsweep.data.phantom.reports import Report, compose_report
from radsweep.data.shards.schema import Image, Split, Study
from radsweep.errors import InputError

CHUNK_PATIENTS = 64
STUDIES_PER_PATIENT = (0.5, 0.3, 0.15, 0.05)


@dataclass(frozen=True)
class PhantomStudy(Study):
    """A study with known truth: the findings in the images, and those that the report mentions."""

    findings: tuple[PhantomFinding, ...] = ()
    written: Report | None = None


class StudyStream(NamedTuple):
    """A stream of studies with its own patients."""

    letter: str
    split: Split
    images: bool
    reports: bool


PAIRS = StudyStream("p", "train", True, True)
VALIDATION = StudyStream("v", "validation", True, True)
TEST = StudyStream("t", "test", True, True)
UNPAIRED_IMAGES = StudyStream("i", "train", True, False)
UNPAIRED_REPORTS = StudyStream("r", "train", False, True)


def generate(
    difficulty: str,
    *,
    pairs: int,
    seed: int,
    size: int = 64,
    unpaired_images: int,
    unpaired_reports: int,
    validation: int,
    test: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[PhantomStudy]:
    """Yield studies in the order train, validation, test, unpaired images, unpaired reports.

    The first studies of each kind do not depend on how many are requested, nor on the other numbers.

    Args:
        difficulty: a name in DIFFICULTIES.
        pairs, validation, test: studies with a report and one or two images, by split.
        seed: 0 or more.
        size: pixels along a side, 32 or more.
        unpaired_images, unpaired_reports: studies with only images or only a report, all in the split train.
        progress: called with the number of studies made since the last call.

    Raises:
        InputError: the difficulty is not known, or a number is out of range.
    """
    settings = difficulty_named(difficulty)
    counts = {PAIRS: pairs, VALIDATION: validation, TEST: test}
    counts |= {UNPAIRED_IMAGES: unpaired_images, UNPAIRED_REPORTS: unpaired_reports}
    if min(seed, *counts.values()) < 0 or size < 32:
        raise InputError("Phantom: numbers of studies and the seed must be 0 or more, the image size 32 or more.")
    return _stream(settings, difficulty, counts, seed, size, progress)


def _stream(
    settings: Difficulty,
    name: str,
    counts: dict[StudyStream, int],
    seed: int,
    size: int,
    progress: Callable[[int], None] | None,
) -> Iterator[PhantomStudy]:
    for stream, wanted in counts.items():
        made = chunk = 0
        while made < wanted:
            entropy = [VERSION, zlib.crc32(name.encode()), seed, ord(stream.letter), chunk]
            seeds = np.random.SeedSequence(entropy)
            studies = _chunk(settings, seeds, stream, chunk, made, wanted - made, size)
            yield from studies
            made, chunk = made + len(studies), chunk + 1
            if progress is not None:
                progress(len(studies))


def _chunk(
    settings: Difficulty,
    seeds: np.random.SeedSequence,
    stream: StudyStream,
    chunk: int,
    before: int,
    wanted: int,
    size: int,
) -> list[PhantomStudy]:
    """Return the first `wanted` studies of a chunk's patients; `before` counts the stream's earlier studies."""
    truth_seed, image_seed, frontal_seed, lateral_seed, text_seed = seeds.spawn(5)
    rng = np.random.default_rng(truth_seed)
    several = 1 + np.searchsorted(np.cumsum(STUDIES_PER_PATIENT)[:-1], rng.random(CHUNK_PATIENTS), side="right")
    patients = np.repeat(np.arange(CHUNK_PATIENTS), several)
    two_views = rng.random(len(patients)) < settings.lateral
    findings = draw_findings(rng, len(patients), settings)
    names = [f"phantom-{stream.letter}{before + place:06d}" for place in range(len(findings))]
    images: list[list[Image]] = [[] for _ in findings]
    if stream.images:  # everything is drawn for the whole chunk, so that no study depends on `wanted`
        shown = np.concatenate([np.arange(len(findings)), np.flatnonzero(two_views)])
        lateral = np.arange(len(shown)) >= len(findings)
        heart = np.array([_heart(findings[study]) for study in shown], np.float32)
        draws = draw_anatomy(np.random.default_rng(image_seed), patients[shown], lateral, heart, settings)
        for view, of_view, noise_seed in (("frontal", ~lateral, frontal_seed), ("lateral", lateral, lateral_seed)):
            rows = np.flatnonzero(of_view & (shown < wanted))
            noise = np.random.default_rng(noise_seed)
            pixels = render_images(noise, draws.rows(rows), [findings[study] for study in shown[rows]], size, settings)
            for study, picture in zip(shown[rows], pixels, strict=True):
                images[study].append(Image(f"{names[study]}-{view}", encode_png(picture), view))
    dice = random.Random(int.from_bytes(text_seed.generate_state(4).tobytes(), "little"))
    studies = []
    for place in range(min(wanted, len(findings))):
        written = compose_report(dice, findings[place], settings) if stream.reports else None
        studies.append(
            PhantomStudy(
                study_id=names[place],
                patient_id=f"phantom-{stream.letter}{chunk * CHUNK_PATIENTS + patients[place]:06d}",
                split=stream.split,
                report=written.text if written else None,
                images=tuple(images[place]),
                labels=labels_of(findings[place]),
                findings=findings[place],
                written=written,
            )
        )
    return studies


def _heart(findings: tuple[PhantomFinding, ...]) -> float:
    return sum(0.18 + 0.37 * finding.size for finding in findings if finding.kind == "cardiomegaly")
