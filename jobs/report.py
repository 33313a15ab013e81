"""`ray job submit --working-dir . -- python jobs/report.py quickstart`: `radsweep report` where the store is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "platform"))  # the code that was submitted
from radsweep.cli import main

sys.argv.insert(1, "report")
main()
