"""Designs, search, warm slots and the store. The settings below have to stand before Ray is imported."""

import os

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # the uv hook uploads the whole folder
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # our own records are the log
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "worker processes have been started")  # slots are many actors
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # ours saves checkpoints: see interrupt.py
os.environ.setdefault("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "300")  # a busy machine is slow, not broken
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # a page of traceback where one line of ours will do
