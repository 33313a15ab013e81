"""The numbers of a report: a sweep's plan joined with its records, and statistics over them."""
