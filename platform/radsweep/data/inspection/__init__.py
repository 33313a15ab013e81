"""Contents of a packed data set, as shown by `radsweep inspect`."""
