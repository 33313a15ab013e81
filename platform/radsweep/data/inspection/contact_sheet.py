"""A contact sheet: one HTML file with small pictures of a packed data set, those with the least contrast first."""

from __future__ import annotations

import base64
import heapq
import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from radsweep.data.images import codec
from radsweep.data.images.grey_range import LOW_CONTRAST, grey_range
from radsweep.data.inspection.inspection import read_studies
from radsweep.data.shards.dataset import read_manifest, shard_paths
from radsweep.data.shards.schema import KINDS, SPLITS
from radsweep.errors import InputError
from radsweep.filesystem import replacing

SHOWN = 120  # pictures of each part of the sheet
_SIDE = 160  # pixels of the longest side
_STYLE = (
    "body{font:14px sans-serif;margin:2em}figure{display:inline-block;margin:4px;width:170px;vertical-align:top}"
    "figcaption{font-size:11px;color:#555}img{max-width:160px;background:#36c}"
)


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, encoded. contrast: see `images.grey_range`. about: place, format and size for a reader."""

    contrast: float
    image: bytes
    about: str
    format: str


def check_sheet(file: Path) -> None:
    """Raise InputError if a contact sheet cannot be written there."""
    if file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--pictures {file}: expected the name of an HTML file, such as pictures.html")
    if os.path.lexists(file):
        raise InputError(f"--pictures {file}: this file exists and is not overwritten; give another name, or remove it")


def write_contact_sheet(folder: str | Path, file: Path) -> int:
    """Write a contact sheet of the data set at `folder` to `file`, readable only by you (mode 600).

    Every picture is decoded. The sheet shows up to SHOWN pictures with hardly any contrast, the worst first, and SHOWN
    at even distances from all. It contains no id and no report, and loads nothing from elsewhere.

    Returns:
        Number of pictures in the data set with hardly any contrast.

    Raises:
        InputError: the file exists or is not HTML, or the data set is broken.
    """
    check_sheet(file)
    manifest = read_manifest(folder)
    total = sum(sum(splits.values()) for splits in manifest.images.values())
    every = max(1, -(-total // SHOWN))
    low: list[tuple[float, int, Thumbnail]] = []  # a heap of those with the least contrast
    sample: list[Thumbnail] = []
    counts: Counter[str] = Counter()
    for number, thumbnail in enumerate(_thumbnails(_pictures(folder))):
        if number % every == 0:
            sample.append(thumbnail)
        if thumbnail.contrast < LOW_CONTRAST:
            counts[thumbnail.format] += 1
            heapq.heappush(low, (-thumbnail.contrast, -number, thumbnail))
            if len(low) > SHOWN:
                heapq.heappop(low)
    worst = [thumbnail for _, _, thumbnail in sorted(low, key=lambda entry: entry[:2], reverse=True)]
    with replacing(file) as unfinished:
        unfinished.touch(mode=0o600)
        unfinished.write_text(_page(manifest.name, total, counts, worst, sample), encoding="utf-8")
    return counts.total()


def _pictures(folder: str | Path) -> Iterator[tuple[bytes, str]]:
    """Yield every picture, encoded, and the part of the data set that it is in."""
    manifest = read_manifest(folder)
    for kind in KINDS:
        for split in SPLITS:
            for path in shard_paths(folder, manifest, kind, split):
                for study in read_studies(path):
                    for image in study["images"]:
                        yield image["data"], f"{kind}, {split}"


def _thumbnails(pictures: Iterator[tuple[bytes, str]]) -> Iterator[Thumbnail]:
    """Decode with threads, a few pictures at a time, in order."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Thumbnail]] = deque()
        for data, place in pictures:
            waiting.append(pool.submit(_thumbnail, data, place))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _thumbnail(data: bytes, place: str) -> Thumbnail:
    try:
        height, width, _ = codec.shape_and_turn(data)
        array = codec.decode_small(data, _SIDE, 3)
    except codec.PictureError as error:
        raise InputError(
            f"the data set contains a picture that cannot be read ({error}); pack the data again"
        ) from None
    picture = codec.shrink(Image.fromarray(codec.to_8_bit(array)), _SIDE)
    kind = "JPEG" if data.startswith(codec.JPEG) else f"PNG of {8 * array.dtype.itemsize} bits"
    levels = grey_range(array)
    about = f"{place}: {kind}, {width} x {height}, {levels:.0f} grey levels"
    return Thumbnail(levels, codec.encode(picture, lossless=max(picture.size) < _SIDE), about, kind)


def _page(name: str, total: int, counts: Counter[str], worst: list[Thumbnail], sample: list[Thumbnail]) -> str:
    found = "".join(f"<li>{escape(kind)}: {count:,}</li>" for kind, count in counts.most_common())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(name)}: pictures</title>"
        f"<style>{_STYLE}</style><h1>{escape(name)}</h1>"
        f"<p>This file shows patients' images. Keep it where the data may be.</p>"
        f"<p>{counts.total():,} of {total:,} pictures have hardly any contrast: fewer than {LOW_CONTRAST} of 255 grey "
        f"levels between their 1st and 99th percentile.</p><ul>{found}</ul>"
        f"{_part('Hardly any contrast, the worst first', worst)}{_part('A sample of all', sample)}</html>\n"
    )


def _part(title: str, thumbnails: list[Thumbnail]) -> str:
    figures = "".join(
        f'<figure><img alt="" src="data:image/{"png" if each.image.startswith(codec.PNG) else "jpeg"};base64,'
        f'{base64.b64encode(each.image).decode()}"><figcaption>{escape(each.about)}</figcaption></figure>'
        for each in thumbnails
    )
    return f"<h2>{escape(title)} ({len(thumbnails)})</h2>{figures}"
