"""The Python interface. Its names are those of `radsweep` itself: `import radsweep as rs; rs.load_experiment(...)`."""
