"""Find the image files of a table's row, by a column or by a pattern over columns, never outside a root.

Links inside the root that the user made count as inside, wherever they lead.
"""

from __future__ import annotations

import glob
import os
from bisect import bisect_left
from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

from radsweep.data.importers.toolkit.tables import Row, columns_of, fill

SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm", ".dicom", ".dic")
UNREAD_SUFFIXES = (  # images too: reading them gives the reason why they are not packed
    ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".j2k", ".jpx", ".jls", ".jxl", ".jfif", ".jpe", ".heic", ".heif",
    ".avif", ".pgm", ".pnm", ".exr", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".dcm.gz", ".npy", ".pdf", ".zip",
)  # fmt: skip
_WILD = "*?["


class OutsideRootError(Exception):
    """A row names a path that leaves the root."""


class ImageFinder:
    """Find the files of a row: `find(row)` returns paths relative to `root`, in order; empty if no file matches.

    pattern: a column's name, or text with columns in braces and wildcards, `images/{patientid}.*`. With wildcards,
    all image files that match belong to the row: jpg, jpeg, png, dcm, dicom, dic, or without a suffix; if there are
    none, those of other image formats, so that the reason is their format and not that no file was found. A bare file
    name that is not in `root` itself is searched in all its subfolders, and used if it is found exactly once.
    """

    def __init__(self, root: Path, pattern: str) -> None:
        self._root = root
        self._pattern = pattern if columns_of(pattern) or set(pattern) & set(_WILD) else f"{{{pattern}}}"
        self.wild = bool(set(self._pattern) & set(_WILD))
        self._listings: dict[str, list[str]] = {}

    def find(self, row: Row) -> list[str]:
        """Return the files of a row. Raises OutsideRootError."""
        if not all(row[column] for column in columns_of(self._pattern)):
            return []
        path = fill(self._pattern, row, glob.escape if self.wild else str).replace("\\", "/")
        if os.path.isabs(path):
            path = os.path.relpath(path, os.path.abspath(self._root))
        if ".." in PurePosixPath(path).parts:
            raise OutsideRootError
        return self._matching(path) if self.wild else self._exact(path)

    def _exact(self, path: str) -> list[str]:
        path = os.path.normpath(path)
        if (self._root / path).is_file():
            return [path]
        elsewhere = self._by_name.get(path, []) if "/" not in path else []
        return elsewhere if len(elsewhere) == 1 else []

    def _matching(self, path: str) -> list[str]:
        folder, name = os.path.split(path)
        if not set(folder) & set(_WILD):
            found = [os.path.join(folder, file) for file in self._in_folder(folder, name)]
        else:
            found = sorted(glob.glob(path, root_dir=self._root))
        pictures = [file for file in found if _may_be_picture(file)]
        return pictures or [file for file in found if file.lower().endswith(UNREAD_SUFFIXES)]

    def _in_folder(self, folder: str, name: str) -> list[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = sorted(os.listdir(self._root / folder))
            except OSError:
                self._listings[folder] = []
        listing = self._listings[folder]
        wild = min((name.index(sign) for sign in _WILD if sign in name), default=len(name))
        prefix, found = name[:wild], []
        for i in range(bisect_left(listing, prefix), len(listing)):
            if not listing[i].startswith(prefix):
                break
            if fnmatchcase(listing[i], name):
                found.append(listing[i])
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        names = defaultdict(list)
        for base, _, files in os.walk(self._root):
            for name in files:
                names[name].append(os.path.relpath(os.path.join(base, name), self._root))
        return names


def _may_be_picture(path: str) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    return suffix in SUFFIXES or not any(sign.isalpha() for sign in suffix)  # DICOM files often end in a UID
