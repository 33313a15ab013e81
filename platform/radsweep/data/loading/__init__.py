"""Shards to batches: splits decoded once or streamed, subsets and folds."""
