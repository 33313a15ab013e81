"""Checks before a sweep starts."""
