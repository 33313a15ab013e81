"""A folder of images and a table, like that of a new user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def own_data(root: Path) -> None:
    """Write a folder with images, and a table with the columns that the pages name."""
    root.mkdir()
    rows = ["image_file,clinical_notes,patientid"]
    for number in range(20):
        picture = np.random.default_rng(number).integers(0, 255, (40, 40), dtype=np.uint8)
        Image.fromarray(picture).save(root / f"{number}.png")
        rows.append(f"{number}.png,Nodule of {number} mm in the left lung.,p{number}")
    (root / "metadata.csv").write_text("\n".join(rows), encoding="utf-8")
