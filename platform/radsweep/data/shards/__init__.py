"""The packed data set on disk: its schema, its files and their fingerprint."""
