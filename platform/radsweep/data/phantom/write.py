"""Write the phantom as a packed data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radsweep.data.phantom.difficulty import VERSION
from radsweep.data.phantom.generate import generate
from radsweep.data.shards.dataset import write_dataset
from radsweep.data.shards.schema import Manifest

# Phantoms have no private data: one key for all makes ids, subsets and fingerprints the same on every machine.
KEY = b"radsweep phantoms are nobody's  "

HELD_OUT = 400 + 400  # studies of the validation and test splits by default
UNPAIRED = 10_000 + 10_000  # unpaired images and reports


def write_phantom(
    out: Path,
    *,
    difficulty: str = "standard",
    pairs: int = 3000,
    seed: int = 0,
    size: int = 64,
    validation: int = 400,
    test: int = 400,
    unpaired_images: int = 10_000,
    unpaired_reports: int = 10_000,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Pack a phantom into a new data set at `out`; the manifest's source has the settings to make it again.

    The arguments are those of `generate`. `progress` is called with the number of studies made since the last call,
    out of pairs + validation + test + unpaired_images + unpaired_reports in total.

    Raises:
        InputError: `out` exists, the difficulty is not known, or a number is out of range.
    """
    settings = {
        "pairs": pairs,
        "seed": seed,
        "size": size,
        "validation": validation,
        "test": test,
        "unpaired_images": unpaired_images,
        "unpaired_reports": unpaired_reports,
    }
    studies = generate(difficulty, **settings, progress=progress)
    source: dict[str, str | int] = {"importer": "phantom", "version": VERSION, "difficulty": difficulty, **settings}
    return write_dataset(out, studies, name=f"phantom-{difficulty}", source=source, key=KEY)
