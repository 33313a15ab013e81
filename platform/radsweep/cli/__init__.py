"""The command line: `radsweep COMMAND`."""

from radsweep.cli.app import main

__all__ = ["main"]
