"""Searches: suggestions, pruning, successive halving and budgets."""
