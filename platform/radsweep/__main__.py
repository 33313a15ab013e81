"""`python -m radsweep`."""

from radsweep.cli import main

if __name__ == "__main__":
    main()
