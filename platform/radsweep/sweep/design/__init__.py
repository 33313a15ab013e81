"""Designs: the trials that a sweep runs."""
