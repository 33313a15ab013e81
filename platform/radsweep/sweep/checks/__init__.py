"""Checks before a sweep starts.

`experiment.py` needs only the experiment file. `radsweep.sweep.setup.open_data` then calls the others, in order, with
the data and the cluster. `doctor.py` runs all of them, and looks for weights and a tracking server, without a start.
"""
