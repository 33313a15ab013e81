"""Raw layouts to rows: one module each, which ends in `radsweep.data.packing.pack.pack`."""
