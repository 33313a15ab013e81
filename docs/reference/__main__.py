"""Write the generated pages next to this file, for the site generator: `python docs/reference`."""

from __future__ import annotations

from pathlib import Path

from generated import PAGES

for name, page in PAGES.items():
    (Path(__file__).parent / name).write_text(page(), encoding="utf-8")
