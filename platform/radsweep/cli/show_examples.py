"""`radsweep report --show-examples`: the gallery, in a folder from which nothing is sent."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from radsweep.errors import InputError

if TYPE_CHECKING:
    from radsweep.data.shards.examples import Example
    from radsweep.report.analysis.results import Results
    from radsweep.store.records import SweepRecord
    from radsweep.store.store import Store

NOT_SENT = "reports and images of patients, for this machine only; it is never sent to MLflow. Do not share it"


def gallery_file(out: Path | None, record: SweepRecord, place: Store) -> Path:
    """The page's path: in `out`, else in a folder of its own in the working directory.

    Raises:
        InputError: it would be in the store, whose reports are sent to MLflow and the archive; or nothing is compared.
    """
    from radsweep.report.render.gallery import GALLERY

    if record.kind != "ablation":
        raise InputError(f"--show-examples: {record.id} compares no arms; give an ablation, or several sweeps")
    name = record.id if "+" not in record.id else place.report_folder(record).name
    file = (out or Path(f"gallery-{name}")).absolute() / GALLERY
    if file.resolve().is_relative_to(place.root.resolve()):
        raise InputError(
            f"--show-examples: {file.parent} is in the store, from which reports are sent to MLflow and archives. Give "
            "a folder outside it with --out"
        )
    return file


def write_examples(file: Path, record: SweepRecord, place: Store, results: Results, quietly: bool) -> None:
    """Write the gallery and print its path and what it holds; on standard error if `quietly`.

    Raises:
        InputError: the data set cannot be read here, or there is nothing to show.
    """
    from radsweep.data.shards.examples import read_examples
    from radsweep.report.render.gallery import write_gallery
    from radsweep.sweep.preparation.study_traits import data_of, queried_splits

    def read(studies: Collection[str]) -> Mapping[str, Example]:
        return read_examples(*data_of(record, place), studies, queried_splits(record))

    written = write_gallery(file, results, read)
    print(f"Gallery: {written} ({NOT_SENT})", file=sys.stderr if quietly else sys.stdout)
