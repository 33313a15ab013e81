"""`synthetic` is a module beside the tests, and a script that they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
