"""The experiment as validated, immutable data."""
