"""`python docs/reference` writes the generated pages beside itself, where any generator of sites finds them."""

from __future__ import annotations

from pathlib import Path

from generated import PAGES

for name, page in PAGES.items():
    (Path(__file__).parent / name).write_text(page(), encoding="utf-8")
