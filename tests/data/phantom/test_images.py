from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from radsweep.data.phantom import PhantomStudy, difficulty_named, generate
from radsweep.data.phantom.anatomy import draw_anatomy
from radsweep.data.phantom.appearance import APPEARANCES
from radsweep.data.phantom.findings import CENTRAL, SIDED, SIDES, ZONED, PhantomFinding
from radsweep.data.phantom.images import encode_png, render_images

SETTINGS = difficulty_named("standard")


def picture(findings: list[tuple[PhantomFinding, ...]], lateral: bool = False, size: int = 64) -> np.ndarray:
    """Return one image per entry, all with one anatomy, pose and noise; only the findings differ."""
    heart = np.array([sum(0.5 for f in items if f.kind == "cardiomegaly") for items in findings], np.float32)
    rows = []
    for row, items in enumerate(findings):
        draws = draw_anatomy(
            np.random.default_rng(0), np.array([0]), np.array([lateral]), heart[row : row + 1], SETTINGS
        )
        rows.append(render_images(np.random.default_rng(1), draws, [items], size, SETTINGS)[0])
    return np.stack(rows).astype(float)


def finding(kind: str, side: str = "", zone: str = "", size: float = 0.9) -> PhantomFinding:
    return PhantomFinding(kind, side, zone, "severe", size, (0.5,) * 6)


@pytest.mark.parametrize("kind", [*SIDED, *CENTRAL, "pacemaker", "catheter", "tube"])
@pytest.mark.parametrize("lateral", [False, True])
def test_every_finding_shows_in_both_views(kind: str, lateral: bool) -> None:
    side, zone = ("left" if kind in SIDED else ""), ("mid" if kind in ZONED else "")
    without, with_it = picture([(), (finding(kind, side, zone),)], lateral)
    assert np.abs(with_it - without).max() > 30
    assert kind in APPEARANCES or kind == "cardiomegaly"


@pytest.mark.parametrize("kind", SIDED)
def test_a_finding_of_a_side_shows_on_that_side(kind: str) -> None:
    zone = "mid" if kind in ZONED else ""
    without, left, right = picture([(), *((finding(kind, side, zone),) for side in SIDES)])
    for shown, sign in ((left, 1), (right, -1)):  # the patient's left is on the right of the image
        change = np.abs(shown - without)
        own = change[:, 32:].sum() if sign > 0 else change[:, :32].sum()
        assert own > 0.85 * change.sum()


@pytest.mark.parametrize("kind", [kind for kind in ZONED if kind != "pneumothorax"])
def test_zones_are_ordered_from_top_to_bottom(kind: str) -> None:
    without, *shown = picture([(), *((finding(kind, "right", zone),) for zone in ("upper", "mid", "lower"))])
    rows = np.arange(64)
    heights = [(np.abs(image - without).sum(1) * rows).sum() / np.abs(image - without).sum() for image in shown]
    assert heights[0] + 6 < heights[1] < heights[2] - 6


@pytest.mark.parametrize("kind", sorted(SIDED))
def test_more_severe_findings_are_more_visible(kind: str) -> None:
    zone = "mid" if kind in ZONED else ""
    without, mild, severe = picture([(), *((finding(kind, "left", zone, size),) for size in (0.1, 1.0))])
    assert np.abs(severe - without).sum() > 1.2 * np.abs(mild - without).sum()


def test_a_linear_read_out_of_small_images_finds_effusions_on_their_side() -> None:
    none = {"unpaired_images": 0, "unpaired_reports": 0, "validation": 0, "test": 0}
    made = list(generate("standard", pairs=1600, seed=0, **none))
    x = np.stack([_small(study) for study in made])
    y = np.array([study.labels["effusion.left"] for study in made], float)
    x = np.c_[x, np.ones(len(x))]
    train, held_out = slice(0, 1200), slice(1200, 1600)
    weights = np.linalg.solve(x[train].T @ x[train] + 3 * np.eye(x.shape[1]), x[train].T @ y[train])
    score, truth = x[held_out] @ weights, y[held_out] > 0
    auroc = (score[truth][:, None] > score[~truth][None]).mean()
    assert auroc > 0.8


def _small(study: PhantomStudy) -> np.ndarray:
    image = PIL.Image.open(io.BytesIO(study.images[0].data)).resize((16, 16), PIL.Image.Resampling.BOX)
    grey = np.asarray(image, float).ravel()
    return (grey - grey.mean()) / grey.std()


def test_only_on_plain_texture_identifies_a_patient() -> None:
    """Pictures of one patient are more alike than those of two, much more so if texture identifies the patient."""
    none = {"unpaired_images": 0, "unpaired_reports": 0, "validation": 0, "test": 0}
    nearest = {}
    for name in ("standard", "plain"):
        made = list(generate(name, pairs=300, seed=0, **none))
        x = np.stack([_small(study) for study in made])
        patient = np.array([study.patient_id for study in made])
        distance = ((x[:, None] - x[None]) ** 2).sum(-1) + 1e9 * np.eye(len(x))
        several = np.array([(patient == one).sum() > 1 for one in patient])
        nearest[name] = (patient[distance.argmin(1)] == patient)[several].mean()
    assert nearest["plain"] > 2 * nearest["standard"]


def test_images_are_grey_8_bit_png_of_varied_exposure() -> None:
    made = generate("standard", pairs=0, seed=0, validation=0, test=0, unpaired_images=100, unpaired_reports=0)
    means = []
    for study in made:
        image = PIL.Image.open(io.BytesIO(study.images[0].data))
        assert (image.format, image.mode, image.size) == ("PNG", "L", (64, 64))
        grey = np.asarray(image)
        assert (grey == 255).mean() < 0.1
        means.append(grey.mean())
    assert np.std(means) > 5


def test_encoding_loses_nothing() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(encode_png(grey)))), grey)
