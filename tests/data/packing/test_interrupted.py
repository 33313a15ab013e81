"""A pack that was killed or interrupted continues, and gives the same result as an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
from radsweep.data.packing.pack import Packed
from radsweep.data.packing.reading import ReadResult, read_here
from radsweep.data.shards.dataset import read_manifest, verify_shards
from radsweep.data.shards.schema import Manifest
from radsweep.errors import InputError

COUNT = 40
BASIC = {"image": "images/{image}", "report": "notes", "patient": "patient"}
Progress = Callable[[str, int, int], None]

ENDED_BY = """
import os, sys
from pathlib import Path
from radsweep.data.importers.csv_options import CsvSettings
from radsweep.data.importers.registry import pack_source
root, key, out, what, done, signal = sys.argv[1:]
def progress(*now):
    if now[:2] == (what, int(done)):
        os.kill(os.getpid(), int(signal))
settings = CsvSettings(image="images/{image}", report="notes", patient="patient", key_file=key)
pack_source("csv", settings, Path(root), Path(out), progress)
"""


class Counting:
    """A reader that records the requested paths."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, root: Path, paths: Sequence[str], longest: int | None) -> Iterator[ReadResult]:
        self.asked += paths
        return read_here(root, paths, longest)


@pytest.fixture
def root(tree: Callable[..., Path], make_png: Callable[..., bytes]) -> Path:
    """Forty pictures of noise, the last one broken, and a key, so that packing twice gives the same bytes."""
    rows = [{"image": f"{i}.png", "patient": f"p{i}", "notes": f"Report {i}."} for i in range(COUNT)]
    images = {f"{i}.png": i for i in range(COUNT - 1)} | {f"{COUNT - 1}.png": make_png(0)[:100]}
    root = tree(rows, images)
    (root.parent / "key").write_text("5a" * 32)
    return root


def pack(root: Path, out: str = "out", reader: Counting | None = None, **more: object) -> tuple[Packed, list[str]]:
    """Pack, and return the result and the lines printed."""
    said: list[str] = []
    progress = more.pop("progress", lambda *_: None)
    settings = CsvSettings(**BASIC, name="set", key_file=root.parent / "key", **more)  # type: ignore[arg-type]
    made = pack_source("csv", settings, root, root.parent / out, progress, said.append, reader)  # type: ignore[arg-type]
    return made, said


def interrupt(root: Path, what: str = "reading pictures", done: int = 25, **more: object) -> Path:
    """Interrupt a pack at a given moment; return the folder that is left."""

    def progress(*now: object) -> None:
        if now[:2] == (what, done):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(root, progress=progress, **more)
    (left,) = root.parent.glob(".out.partial-*")
    return left


def content(manifest: Manifest) -> list[str]:
    return [shard.sha256 for shard in manifest.shards]


def test_a_pack_killed_three_times_ends_like_an_undisturbed_one_and_reads_no_picture_twice(root: Path) -> None:
    out = root.parent / "out"
    for what, done, number in (
        ("reading pictures", 11, signal.SIGKILL),
        ("reading pictures", 12, signal.SIGTERM),
        ("writing studies", 20, signal.SIGKILL),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", ENDED_BY, root, root.parent / "key", out, what, str(done), str(int(number))],
            capture_output=True,
        )
        assert ended.returncode == -number, ended.stderr.decode()
        assert not out.exists()
        (partial,) = root.parent.glob(".out.partial-*")
        with pytest.raises(InputError):
            read_manifest(partial)
    reader = Counting()
    packed, said = pack(root, reader=reader)
    assert reader.asked == [f"images/{COUNT - 1}.png"]  # a picture that could not be read is tried again
    assert said == [f"continuing: {COUNT - 1} of {COUNT} pictures have been read already"]
    undisturbed, printed = pack(root, "undisturbed")
    assert printed == []
    assert content(packed.manifest) == content(undisturbed.manifest)
    verify_shards(out, packed.manifest)
    assert {path.name for path in root.parent.iterdir()} == {"source", "key", "out", "undisturbed"}
    assert {path.name for path in out.iterdir()} == {"pairs", "private", "manifest.json"}


def test_only_the_owner_can_read_the_files_of_an_interrupted_pack(root: Path) -> None:
    left = interrupt(root)
    files = [path for path in left.rglob("*") if path.is_file() and path.stat().st_size]
    assert {path.name for path in files} == {".spool", ".spool.index"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_after_a_torn_line_and_a_truncated_cache_only_the_affected_pictures_are_read_again(root: Path) -> None:
    left = interrupt(root)
    with (left / ".spool.index").open("ab") as index:
        index.write(b'["images/25.png", 123')
    size = (left / ".spool").stat().st_size
    os.truncate(left / ".spool", size - 5)
    reader = Counting()
    packed, _ = pack(root, reader=reader)
    assert reader.asked == [f"images/{i}.png" for i in range(24, COUNT)]
    assert content(packed.manifest) == content(pack(root, "undisturbed")[0].manifest)


def test_bytes_without_a_line_in_the_index_are_overwritten(root: Path) -> None:
    left = interrupt(root)
    with (left / ".spool").open("ab") as spool:
        spool.write(b"half a picture")
    packed, _ = pack(root)
    assert content(packed.manifest) == content(pack(root, "undisturbed")[0].manifest)


def test_a_file_that_changed_meanwhile_is_read_again(root: Path, make_png: Callable[..., bytes]) -> None:
    interrupt(root)
    (root / "images" / "3.png").write_bytes(make_png(1003))
    reader = Counting()
    packed, _ = pack(root, reader=reader)
    assert reader.asked == ["images/3.png", *(f"images/{i}.png" for i in range(25, COUNT))]
    assert content(packed.manifest) == content(pack(root, "undisturbed")[0].manifest)


@pytest.mark.parametrize("change", ["size", "root"])
def test_pictures_read_with_other_settings_are_not_reused(root: Path, change: str) -> None:
    interrupt(root)
    if change == "root":
        root = root.rename(root.parent / "moved")
    reader = Counting()
    _, said = pack(root, reader=reader, **({"size": 16} if change == "size" else {}))
    assert len(reader.asked) == COUNT
    assert said == []


def test_pictures_lost_by_the_disk_are_reported_and_the_next_call_reads_all_of_them(root: Path) -> None:
    left = interrupt(root, "writing studies", 20)
    with (left / ".spool").open("r+b") as spool:
        spool.write(bytes(50))
    with pytest.raises(InputError, match="are damaged; run the command again"):
        pack(root)
    reader = Counting()
    pack(root, reader=reader)
    assert len(reader.asked) == COUNT


def test_a_second_pack_of_a_folder_is_refused_and_the_first_continues(root: Path) -> None:
    interrupt(root)
    refused = []

    def progress(what: str, done: int, total: int) -> None:
        if (what, done) == ("reading pictures", 5):
            with pytest.raises(InputError, match="another process is writing"):
                pack(root)
            refused.append(done)

    packed, _ = pack(root, progress=progress)
    assert refused == [5]
    assert packed.packed == COUNT - 1


def test_bad_input_leaves_nothing_behind_even_of_a_continued_pack(root: Path) -> None:
    interrupt(root)
    for i in range(COUNT):
        (root / "images" / f"{i}.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of 40 rows can be packed"):
        pack(root)
    assert {path.name for path in root.parent.iterdir()} == {"source", "key"}
