"""Sections of the report, made of sentences, tables and figures."""
