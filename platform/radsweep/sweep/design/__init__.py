"""Which trials a sweep runs."""
