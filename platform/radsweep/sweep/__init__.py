"""Sweeps, from the experiment to the report. Import this before Ray, which reads the settings below."""

import os

import radsweep.cluster  # noqa: F401 - sets what Ray reads when it is imported

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # our own records are the log
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # ours saves checkpoints: see sweep/slots/interruption.py
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # a page of traceback; our own line is enough
