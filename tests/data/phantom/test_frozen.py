"""The phantom is frozen: results on it are compared across versions of radsweep.

If one of these tests fails, the generator has changed. Undo the change, or raise VERSION, remake every figure that uses
the phantom, and only then put the new values here. Text and labels must match exactly, pixels to one grey level.
"""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import PIL.Image
import pytest

from radsweep.data.phantom import VERSION, generate

TEXT = {
    "standard": "b2ef0e0e62d9f8a9c650aa6f165b60130155dc38a7871171937e7e7c9517d194",
    "plain": "93c45e94b8c39786bb3fb878072b5cb59b66ace9785f6e7df8046531d9c65d49",
}
BLOCKS = {
    "standard": [
        [121, 131, 121, 109, 103, 117, 90, 94, 107, 112, 114, 100, 145, 154, 151, 119],
        [98, 113, 107, 92, 72, 77, 66, 73, 90, 100, 111, 86, 129, 149, 148, 110],
        [148, 158, 129, 110, 111, 115, 108, 109, 108, 109, 159, 133, 129, 182, 190, 178],
        [119, 134, 99, 87, 87, 97, 74, 82, 100, 109, 138, 112, 129, 164, 168, 151],
        [151, 139, 151, 135, 144, 78, 100, 138, 158, 145, 113, 147, 171, 184, 185, 160],
        [112, 109, 147, 130, 98, 73, 111, 94, 120, 98, 146, 102, 167, 174, 170, 160],
        [112, 125, 106, 83, 76, 97, 78, 68, 99, 108, 114, 88, 111, 146, 147, 127],
    ],
    "plain": [
        [160, 172, 152, 115, 131, 122, 139, 110, 133, 131, 156, 114, 176, 228, 183, 155],
        [147, 199, 139, 91, 131, 141, 112, 104, 116, 130, 138, 125, 130, 168, 172, 161],
        [94, 133, 131, 90, 90, 90, 103, 79, 89, 88, 93, 78, 125, 128, 127, 113],
        [114, 117, 147, 158, 116, 92, 103, 109, 101, 135, 143, 107, 151, 163, 174, 140],
        [131, 96, 129, 119, 117, 58, 73, 112, 91, 120, 92, 99, 136, 142, 163, 126],
        [132, 146, 115, 117, 101, 116, 80, 102, 79, 117, 160, 115, 141, 157, 177, 156],
        [137, 110, 136, 102, 106, 108, 104, 85, 141, 141, 165, 125, 188, 164, 168, 173],
    ],
}  # fmt: skip


def text_of(difficulty: str) -> str:
    """Return the hash of the reports, labels, ids and views of the first studies of each stream."""
    digest = hashlib.sha256()
    for study in generate(difficulty, pairs=150, seed=0, validation=5, test=5, unpaired_images=5, unpaired_reports=150):
        views = [image.view for image in study.images]
        row = [study.study_id, study.patient_id, study.split, study.report, views, study.labels]
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def blocks_of(difficulty: str) -> list[list[int]]:
    """Return the mean grey of 16 blocks for each of the first images, frontal and lateral views."""
    pools = {"validation": 0, "test": 0, "unpaired_images": 0, "unpaired_reports": 0}
    blocks = []
    for study in generate(difficulty, pairs=6, seed=0, **pools):
        for image in study.images:
            grey = np.asarray(PIL.Image.open(io.BytesIO(image.data)), float)
            blocks.append(np.rint(grey.reshape(4, 16, 4, 16).mean((1, 3))).astype(int).ravel().tolist())
    return blocks


def test_the_version_is_the_one_that_these_values_belong_to() -> None:
    assert VERSION == 1


@pytest.mark.parametrize("difficulty", TEXT)
def test_reports_labels_and_ids_are_frozen(difficulty: str) -> None:
    assert text_of(difficulty) == TEXT[difficulty]


@pytest.mark.parametrize("difficulty", BLOCKS)
def test_images_are_frozen(difficulty: str) -> None:
    np.testing.assert_allclose(blocks_of(difficulty), BLOCKS[difficulty], atol=1)
