"""Warm trial slots: groups of workers that run one trial after another."""
