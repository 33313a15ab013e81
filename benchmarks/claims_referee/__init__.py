"""The referee of the report's claims: sweeps whose truth is known, the report on them, and the count of what is false."""
