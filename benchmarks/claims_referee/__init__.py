"""The referee of the report's claims: sweeps whose truth is known, their reports, and the count of what is false."""
