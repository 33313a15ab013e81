"""The dry run: the trials of a sweep, and how long they will take."""
