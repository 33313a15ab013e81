"""Keys of trials, stages and experiments: what makes two of them the same."""
