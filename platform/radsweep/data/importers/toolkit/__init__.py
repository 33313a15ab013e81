"""Parts of importers. The names below are those that every importer needs."""

from radsweep.data.importers.toolkit.importer import Importer, Source, tracked
from radsweep.data.importers.toolkit.published_files import PublishedFile, find_known, image_files, known_table
from radsweep.data.packing.rows import SourceRow
from radsweep.data.packing.settings import PackSettings
from radsweep.data.packing.studies import Requirements

__all__ = [
    "Importer",
    "PackSettings",
    "PublishedFile",
    "Requirements",
    "Source",
    "SourceRow",
    "find_known",
    "image_files",
    "known_table",
    "tracked",
]
