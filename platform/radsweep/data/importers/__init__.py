"""Raw layouts to rows: one module each, which ends in `radsweep.data.pack.pack`."""
