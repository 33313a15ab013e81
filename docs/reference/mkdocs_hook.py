"""Puts the generated pages among the written ones: a hook of MkDocs. Nothing is written beside them."""

from __future__ import annotations

import commands
import experiment_file
import search_spaces
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {
    "reference/experiment-file.md": experiment_file.page,
    "reference/commands.md": commands.page,
    "reference/search-spaces.md": search_spaces.page,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for place, page in PAGES.items():
        files.append(File.generated(config, place, content=page()))
    return files
