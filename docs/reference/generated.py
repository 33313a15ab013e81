"""Names of the generated pages, and the functions that make them."""

from __future__ import annotations

import commands
import experiment_file
import search_spaces

PAGES = {
    "experiment-file.md": experiment_file.page,
    "commands.md": commands.page,
    "search-spaces.md": search_spaces.page,
}
