"""Names of image files as users have them: case, Unicode form or extension may differ from what the source says."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".dcm", ".dicom", ".dic", ".ima")
UNREAD_SUFFIXES = (  # images too: reading them gives the reason why they are not packed
    ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".j2k", ".jpx", ".jls", ".jxl", ".heic", ".heif", ".avif", ".pgm",
    ".pnm", ".exr", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".dcm.gz", ".npy", ".pdf", ".zip",
)  # fmt: skip
NameDifference = Literal["case", "Unicode form", "extension"]


class Found(NamedTuple):
    """A file below the root, and in what its name differs from the wanted one; or several files, or a folder."""

    path: str
    difference: NameDifference | None = None
    ambiguous: bool = False
    folder: bool = False


def is_hidden(name: str) -> bool:
    """Return True for files and folders that a system made for itself, such as a Mac's `.DS_Store` and `._1.png`."""
    return name.startswith(".") or name == "__MACOSX"


def is_file(root: Path, path: str) -> bool:
    """Return True if a path below `root` is a file; False also if no file can have such a name."""
    try:
        return os.path.isfile(os.path.join(root, path))
    except ValueError:  # NUL, or half of a character
        return False


def visible_files(root: Path) -> Iterator[str]:
    """Yield the path of every file below a root that is not hidden; links to folders are followed, each folder once."""
    seen = set()
    for base, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            if not is_hidden(name):
                yield os.path.relpath(os.path.join(base, name), root)


def composed(name: str) -> str:
    """Return a name in the Unicode form that most systems use; a Mac may have unpacked files with another."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Return a name without the differences that some systems do not make: case and Unicode form."""
    return composed(composed(name).casefold())


def has_image_suffix(name: str) -> bool:
    """Return True for the suffix of an image, of a format that is read or not."""
    return name.lower().endswith((*SUFFIXES, *UNREAD_SUFFIXES))


def bare(name: str) -> str:
    """Return the folded name without the suffix of an image."""
    name = folded(name)
    found = [suffix for suffix in (*SUFFIXES, *UNREAD_SUFFIXES) if name.endswith(suffix)]
    return name.removesuffix(max(found, key=len, default=""))


class ImageNames:
    """Finds files below a root by names that differ in case, Unicode form or extension. Lists each folder once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listings: dict[str, _Listing] = {}

    def find(self, path: str) -> Found | None:
        """Return the file or folder at `path`, or else the only file whose name differs a little; None without one.

        A bare file name that is not in the root itself is searched in all its subfolders.
        """
        if is_file(self._root, path):
            return Found(path)
        folder, difference = "", None
        *above, name = PurePosixPath(path).parts or ("",)
        for part in above:
            names = self._listing(folder).named(part)
            if len(names) != 1:
                return Found(path, ambiguous=True) if names else None
            difference = difference or _difference(part, names[0])
            folder = os.path.join(folder, names[0])
        found = self._listing(folder).images(name)
        if not found and not above:
            found = self._everywhere.images(name)
        if len(found) != 1:
            return Found(path, ambiguous=True) if found else None
        whole = os.path.join(folder, found[0])
        if not is_file(self._root, whole):
            return Found(path, folder=True) if whole == path else None
        return Found(whole, _difference(name, os.path.basename(whole)) or difference)

    def _listing(self, folder: str) -> _Listing:
        if folder not in self._listings:
            try:
                names = sorted(name for name in os.listdir(self._root / folder) if not is_hidden(name))
            except (OSError, ValueError):
                names = []
            self._listings[folder] = _Listing(names)
        return self._listings[folder]

    @cached_property
    def _everywhere(self) -> _Listing:
        return _Listing(visible_files(self._root))


class _Listing:
    """Paths by their exact name, by their folded name, and those of images by their folded name without extension."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact: dict[str, list[str]] = defaultdict(list)
        self._folded: dict[str, list[str]] = defaultdict(list)
        self._stem: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            name = os.path.basename(path)
            self._exact[name].append(path)
            self._folded[folded(name)].append(path)
            if has_image_suffix(name):
                self._stem[bare(name)].append(path)

    def named(self, name: str) -> list[str]:
        return self._exact.get(name) or self._folded.get(folded(name)) or []

    def images(self, name: str) -> list[str]:
        return self.named(name) or self._stem.get(bare(name)) or []


def _difference(wanted: str, found: str) -> NameDifference | None:
    if wanted == found:
        return None
    if folded(wanted) != folded(found):
        return "extension"
    return "Unicode form" if composed(wanted) == composed(found) else "case"
