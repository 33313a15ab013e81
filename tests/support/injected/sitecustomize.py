"""Faults that need an exact moment within a process; only on the path of disturbed sweeps. RADSWEEP_CHAOS is one of:

nan:STEP     the loss of one trial is not a number at this step, once
rename:N     the driver dies before it renames its N-th finished file into place, once

The process that does it creates the file RADSWEEP_CHAOS_DONE, so that it happens once.
"""

import importlib.abc
import importlib.machinery
import os
import signal
import sys

WHAT, _, NUMBER = os.environ.get("RADSWEEP_CHAOS", "").partition(":")


def once():
    try:
        os.close(os.open(os.environ["RADSWEEP_CHAOS_DONE"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def hurt_trainer(module):
    backward = module.TrialRecipe.backward

    def hurt(self, batch):
        loss, values = backward(self, batch)
        at = self.outcome.steps == int(NUMBER)
        return (float("nan") if at and once() else loss), values

    module.TrialRecipe.backward = hurt


class After(importlib.abc.MetaPathFinder):
    """Import hook that calls `hurt_trainer` once the trainer is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "radsweep.training.trainer":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def then(module):
            load(module)
            hurt_trainer(module)

        spec.loader.exec_module = then
        return spec


if WHAT == "nan":
    sys.meta_path.insert(0, After())
if WHAT == "rename" and "sweep" in sys.orig_argv and "radsweep" in sys.orig_argv:
    replace, count = os.replace, 0

    def deadly(source, target, **options):
        global count
        count += str(target).startswith(os.environ["RADSWEEP_STORE"]) and str(target).endswith(".json")
        if count == int(NUMBER) and once():
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target, **options)

    os.replace = deadly
