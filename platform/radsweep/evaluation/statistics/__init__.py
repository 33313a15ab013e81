"""Statistics over the per-query results of arms and replicates: simultaneous intervals, multipliers, effects, plans."""

from radsweep.evaluation.statistics.auroc import estimate_auroc
from radsweep.evaluation.statistics.best_arm import best_probabilities
from radsweep.evaluation.statistics.effects import Effect, factorial_effects
from radsweep.evaluation.statistics.estimates import Estimates, estimate_means, macro_estimates
from radsweep.evaluation.statistics.importances import Importance, Importances, fanova_importances
from radsweep.evaluation.statistics.intervals import Difference, Interval, contrast_of_means, difference, level_interval
from radsweep.evaluation.statistics.multiplicity import Correction
from radsweep.evaluation.statistics.multiplier import Multiplier, data_efficiency_multiplier
from radsweep.evaluation.statistics.patients import Patients
from radsweep.evaluation.statistics.planning import Outlook, detectable, outlook, stops, with_seeds
from radsweep.evaluation.statistics.sequential import FIRST_LOOK, planned_looks
from radsweep.evaluation.statistics.subgroups import FEWEST_PATIENTS, GroupEstimates, interaction

__all__ = [
    "FEWEST_PATIENTS",
    "FIRST_LOOK",
    "Correction",
    "Difference",
    "Effect",
    "Estimates",
    "GroupEstimates",
    "Importance",
    "Importances",
    "Interval",
    "Multiplier",
    "Outlook",
    "Patients",
    "best_probabilities",
    "contrast_of_means",
    "data_efficiency_multiplier",
    "detectable",
    "difference",
    "estimate_auroc",
    "estimate_means",
    "factorial_effects",
    "fanova_importances",
    "interaction",
    "level_interval",
    "macro_estimates",
    "outlook",
    "planned_looks",
    "stops",
    "with_seeds",
]
