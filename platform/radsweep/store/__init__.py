"""Records of sweeps, the folder that they are stored in, and results that are derived from them."""
