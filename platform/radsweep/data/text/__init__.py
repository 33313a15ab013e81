"""Reports as sentences and tokens."""
