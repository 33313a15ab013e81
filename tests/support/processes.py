"""Processes that tests start, which import `support` as the tests do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]


def start(module: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start `python -m support.MODULE ARGUMENTS` with text as output."""
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", f"support.{module}", *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, text=True, **options)
