"""Progress of a running sweep, and the time that is left."""
