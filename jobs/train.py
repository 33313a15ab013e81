"""`radsweep train` as a job: `ray job submit --working-dir . -- python jobs/train.py search_spaces/quickstart.yaml`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "platform"))  # the submitted code
from radsweep.cli import main

sys.argv.insert(1, "train")
main()
