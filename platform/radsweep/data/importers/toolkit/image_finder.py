"""Find the image files of a table's row, by a column or by a pattern over columns, never outside a root.

Links inside the root that the user made count as inside, wherever they lead. Hidden files are passed over.
"""

from __future__ import annotations

import glob
import os
import re
from bisect import bisect_left
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from radsweep.data.importers.toolkit.cell_lists import is_list, items
from radsweep.data.importers.toolkit.tables import Row, columns_of, fill
from radsweep.data.packing.image_names import SUFFIXES, composed, has_image_suffix, is_file, is_hidden

_WILD = "*?["
_BETWEEN_FILES = re.compile(r"\s*[|;,\n]\s*")


class OutsideRootError(Exception):
    """A row names a path that leaves the root."""


class ImageFinder:
    """Find the files of a row: `find(row)` returns paths relative to `root`, in order; empty if no file matches.

    pattern: a column's name, or text with columns in braces and wildcards, `images/{patientid}.*`. With wildcards,
    all image files that match belong to the row: jpg, jpeg, png, dcm, dicom, dic, or without a suffix; if there are
    none, those of other image formats, so that the reason is their format and not that no file was found. A cell may
    name several files (`a.png;b.png`, `['a.png', 'b.png']`).
    """

    def __init__(self, root: Path, pattern: str) -> None:
        self._root = root
        self._pattern = pattern if columns_of(pattern) or set(pattern) & set(_WILD) else f"{{{pattern}}}"
        self.wild = bool(set(self._pattern) & set(_WILD))
        self._listings: dict[str, list[tuple[str, str]]] = {}  # (composed name, name)
        self._folders: dict[str, list[str]] = {}

    def find(self, row: Row) -> list[str]:
        """Return the files of a row: those that match the wildcards, or the paths that it names, which may not exist.

        Raises:
            OutsideRootError: a path leaves the root.
        """
        columns = columns_of(self._pattern)
        if not all(row[column] for column in columns):
            return []
        path = self._path(row)
        if self.wild:
            return self._matching(path)
        if is_file(self._root, path):
            return [path]
        several = [column for column in columns if len(_files_in(row[column])) > 1 or is_list(row[column])]
        if len(several) == 1:
            column = several[0]
            paths = [self._path({**row, column: name}) for name in _files_in(row[column])]
            return list(dict.fromkeys(paths))
        return [path]

    def _path(self, row: Row) -> str:
        path = fill(self._pattern, row, glob.escape if self.wild else str).replace("\\", "/")
        if os.path.isabs(path):
            path = self._below_root(path)
        if ".." in PurePosixPath(path).parts:
            raise OutsideRootError
        return path if self.wild else os.path.normpath(path)

    def _below_root(self, path: str) -> str:
        """Return an absolute path relative to the root, which may be a symbolic link."""
        below = os.path.relpath(path, os.path.abspath(self._root))
        if ".." in PurePosixPath(below).parts:
            folder, name = os.path.split(path)
            below = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(self._root))
        return below

    def _matching(self, path: str) -> list[str]:
        folder, name = os.path.split(path)
        found = [
            os.path.join(one, file) for one in self._matching_folders(folder) for file in self._in_folder(one, name)
        ]
        pictures = [file for file in found if _may_be_picture(file)]
        return sorted(pictures or list(filter(has_image_suffix, found)))

    def _matching_folders(self, folder: str) -> list[str]:
        if not set(folder) & set(_WILD):
            return [folder]
        if folder not in self._folders:
            self._folders[folder] = sorted(glob.glob(folder, root_dir=self._root))
        return self._folders[folder]

    def _in_folder(self, folder: str, name: str) -> list[str]:
        if folder not in self._listings:
            try:
                names = [name for name in os.listdir(self._root / folder) if not is_hidden(name)]
            except (OSError, ValueError):
                names = []
            self._listings[folder] = sorted((composed(name), name) for name in names)
        listing, name = self._listings[folder], composed(name)
        wild = min((name.index(sign) for sign in _WILD if sign in name), default=len(name))
        prefix, found = name[:wild], []
        for i in range(bisect_left(listing, (prefix, "")), len(listing)):
            key, file = listing[i]
            if not key.startswith(prefix):
                break
            if fnmatchcase(key, name):
                found.append(file)
        return found


def _files_in(cell: str) -> list[str]:
    """Return the names of files in a cell; of text with separators only if each part has the suffix of an image."""
    try:
        found = items(cell, _BETWEEN_FILES)
    except ValueError:
        return [cell]
    if is_list(cell):
        return found
    several = [names for names in (found, cell.split()) if len(names) > 1 and all(map(has_image_suffix, names))]
    return several[0] if several else [cell]


def _may_be_picture(path: str) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    return suffix in SUFFIXES or not any(sign.isalpha() for sign in suffix)  # DICOM files often end in a UID
