"""The data of a sweep, made ready once for all of its trials."""
