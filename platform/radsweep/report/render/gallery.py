"""The gallery: queries that arms gained and lost, with their reports and images. The only output that has any.

It is written only if a person asks for it, on a machine that has the data set, outside the store and the report. So
nothing that sends reports (MLflow, an archive) can send it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from importlib import resources
from pathlib import Path

import jinja2
from PIL import Image

from radsweep.data.images.codec import PictureError, array_of, encode, open_plain, shrink, to_8_bit
from radsweep.data.shards.examples import Example
from radsweep.errors import InputError
from radsweep.filesystem import replacing
from radsweep.report import wording
from radsweep.report.analysis.changed_queries import ChangedQuery, Examples, examples
from radsweep.report.analysis.results import Results
from radsweep.report.text.best import selection

GALLERY = "gallery.html"
PRIVATE = (
    "This page holds reports and images of patients. It was made on this machine from the packed data set, is part of "
    "no report, and is never sent to MLflow or an archive. Treat it as you treat the data"
)
_LONGEST = 200  # pixels of a thumbnail
_MOST_IMAGES = 3  # of a study

Read = Callable[[Collection[str]], Mapping[str, Example]]  # studies by id


def write_gallery(path: Path, results: Results, read: Read) -> Path:
    """Write the page, which only its owner may read (mode 600).

    Args:
        read: studies of the data set by id; only those that are shown are asked for.

    Raises:
        InputError: there is nothing to show, with the reason; or as `read`.
    """
    chosen, leader = selection(results).recommended, results.leader
    first = [cell.arm for cell in (chosen, leader.planned if leader else None) if cell is not None]
    found = examples(results, first)
    if found.why:
        raise InputError(f"--show-examples: there is nothing to show, since {found.why}")
    queries = [query for arm in found.arms for query in (*arm.gained, *arm.lost)]
    studies = read({query.study_id for query in queries})
    if any(query.study_id not in studies for query in queries):
        raise InputError("--show-examples: the data set lacks test studies of the sweep; put the whole data set there")
    page = _page(results, found, studies)
    with replacing(path, durable=False) as unfinished:
        unfinished.touch(mode=0o600)
        unfinished.write_text(page, encoding="utf-8")
    return path


def _page(results: Results, found: Examples, studies: Mapping[str, Example]) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"thumbnails": _thumbnails, "ranks": _ranks}
    text = (resources.files("radsweep.report.render") / "gallery.html.j2").read_text(encoding="utf-8")
    changes = {
        r.planned.arm: [f"{k} = {wording.setting(v)}" for k, v in r.planned.changes.items()] for r in results.all
    }
    return environment.from_string(text).render(
        title=results.sweep.name,
        private=PRIVATE,
        baseline=results.sweep.baseline,
        found=found,
        direction=wording.DIRECTION[found.direction.removesuffix("_same_text").removesuffix("_local")],
        size=wording.size_name(found.size),
        studies=studies,
        changes=changes,
    )


def _ranks(query: ChangedQuery, after: bool) -> str:
    return ", ".join(f"{rank:,}" for rank in (query.after if after else query.before))


def _thumbnails(example: Example) -> list[tuple[str, str]]:
    """The first images as data addresses, each with its view; one that cannot be decoded is left out."""
    shown = []
    for data, view in list(zip(example.images, example.views, strict=True))[:_MOST_IMAGES]:
        try:
            picture = shrink(Image.fromarray(to_8_bit(array_of(open_plain(data)))), _LONGEST)
        except PictureError:
            continue
        encoded = base64.b64encode(encode(picture, lossless=False)).decode()
        shown.append((f"data:image/jpeg;base64,{encoded}", view))
    return shown
