"""The experiment as validated, immutable data: a module for each section of the experiment file.

Every field has its default, bounds, unit and help here and nowhere else: YAML, `--set`, search spaces, MLflow
parameters, the JSON schema and the docs are derived from these classes.
"""
