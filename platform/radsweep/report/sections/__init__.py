"""Sections of the report: what each one says, from sentences, tables and figures."""
