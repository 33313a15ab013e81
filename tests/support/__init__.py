"""Helpers that tests share: data, models, processes and pages. pytest has `tests/` on its path."""
