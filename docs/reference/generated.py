"""Which pages are made, and by what."""

from __future__ import annotations

import commands
import experiment_file
import search_spaces

PAGES = {
    "experiment-file.md": experiment_file.page,
    "commands.md": commands.page,
    "search-spaces.md": search_spaces.page,
}
