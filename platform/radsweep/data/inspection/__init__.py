"""What is in a packed data set, as `radsweep inspect` shows it."""
