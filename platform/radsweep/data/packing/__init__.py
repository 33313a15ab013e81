"""From rows of a source to shards: studies, splits, duplicates, pictures read once."""
