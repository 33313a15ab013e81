"""Settings of the phantom, its named difficulties, and the names of phantoms in experiment files."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from radsweep.errors import InputError

VERSION = 1


@dataclass(frozen=True)
class Difficulty:
    """Properties of images and reports. Probabilities are in 0..1; intensities are shares of the full grey scale.

    Attributes:
        finding_counts: probability of 0, 1, 2, ... findings in a study.
        devices: probability of each kind of device in a study.
        lateral: probability of a lateral view in addition to the frontal one.
        anatomy: spread of the anatomy, 1 for a wide one.
        shape_identity: share of the anatomy's spread (lungs, heart, diaphragm) that a patient's studies share, 0 to 1.
        texture_identity: the same for rib phase and clutter, by which a patient can be recognised.
        ribs: strength of the ribs.
        clutter: strength of the low-frequency clutter outside the lungs.
        clutter_in_lungs: the same in the lungs, where it hides findings.
        contrast: strength of findings.
        noise: strength of the pixel noise.
        exposure: spread of brightness, gain and gamma.
        rotation: largest rotation of an image, degrees.
        nouns: number of a finding's nouns that are used.
        describe: probability that a finding gets an adjective of its type.
        place: probability that a finding's zone is mentioned.
        grade: probability that a finding's severity is mentioned.
        restate: probability that a finding under FINDINGS is repeated under IMPRESSION, in other words if possible.
        omit: probability that a finding is not mentioned.
        omit_device: probability that a device is not mentioned.
        stock: probability that a normal study gets one of a few standard reports, word for word.
        remark: probability of a sentence that has nothing to do with the findings.
    """

    finding_counts: tuple[float, ...] = (0.08, 0.30, 0.32, 0.20, 0.10)
    devices: float = 0.06
    lateral: float = 0.25
    anatomy: float = 0.5
    shape_identity: float = 0.6
    texture_identity: float = 0.0
    ribs: float = 0.03
    clutter: float = 0.015
    clutter_in_lungs: float = 0.015
    contrast: float = 1.0
    noise: float = 0.04
    exposure: float = 1.0
    rotation: float = 8.0
    nouns: int = 10
    describe: float = 0.6
    place: float = 0.85
    grade: float = 0.7
    restate: float = 0.8
    omit: float = 0.08
    omit_device: float = 0.3
    stock: float = 0.6
    remark: float = 0.25


DIFFICULTIES: dict[str, Difficulty] = {
    # Gives adaptation something to learn: type-specific adjectives, many nouns, restated findings, and images by which
    # a patient is hard to recognise. A sweep has to show if adaptation helps.
    "standard": Difficulty(),
    # Gives it nothing to learn: one noun per finding, no adjectives, nothing restated, images that identify patients.
    "plain": Difficulty(
        anatomy=1.0,
        shape_identity=0.95,
        texture_identity=1.0,
        ribs=0.07,
        clutter=0.35,
        clutter_in_lungs=0.05,
        nouns=1,
        describe=0.0,
        restate=0.0,
        remark=0.0,
    ),
}


@dataclass(frozen=True)
class PhantomSettings:
    """Phantom to make: its difficulty and number of training pairs."""

    difficulty: str
    pairs: int = 3000


def difficulty_named(name: str) -> Difficulty:
    """Return the settings called `name`. Raises InputError, with the known names, if there are none."""
    if name not in DIFFICULTIES:
        near = difflib.get_close_matches(name, DIFFICULTIES, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InputError(f"Phantom difficulty '{name}' is not known; known: {', '.join(DIFFICULTIES)}.{hint}")
    return DIFFICULTIES[name]


def from_name(name: str) -> PhantomSettings:
    """Return the phantom that `data.shards: phantom:NAME` means; NAME is DIFFICULTY or DIFFICULTY-PAIRS.

    `standard` has 3,000 training pairs, `plain-300` has 300. Raises InputError for anything else.
    """
    difficulty, dash, pairs = name.partition("-")
    difficulty_named(difficulty)
    if not dash:
        return PhantomSettings(difficulty)
    if not (pairs.isascii() and pairs.isdigit() and int(pairs) > 0):
        raise InputError(
            f"Phantom name '{name}': after '{difficulty}-' comes the number of training pairs, "
            f"as in 'phantom:{difficulty}-300'."
        )
    return PhantomSettings(difficulty, int(pairs))
