"""Statistics over the per-query results of arms and replicates: intervals, paired tests, curves, effects."""

from radsweep.evaluation.statistics.auroc import AurocTest, auroc_test, estimate_auroc
from radsweep.evaluation.statistics.curves import CurvePoint, learning_curve
from radsweep.evaluation.statistics.delong import delong_covariance
from radsweep.evaluation.statistics.effects import Effect, factorial_effects
from radsweep.evaluation.statistics.estimates import Estimates, estimate_means, macro_estimates
from radsweep.evaluation.statistics.importances import Importance, Importances, fanova_importances
from radsweep.evaluation.statistics.intervals import Difference, Interval, contrast_of_means, difference, level_interval
from radsweep.evaluation.statistics.multiplicity import holm
from radsweep.evaluation.statistics.multiplier import Multiplier, data_efficiency_multiplier
from radsweep.evaluation.statistics.permutation import SignFlipTest, sign_flip_test
from radsweep.evaluation.statistics.resamples import PatientResamples

__all__ = [
    "AurocTest",
    "CurvePoint",
    "Difference",
    "Effect",
    "Estimates",
    "Importance",
    "Importances",
    "Interval",
    "Multiplier",
    "PatientResamples",
    "SignFlipTest",
    "auroc_test",
    "contrast_of_means",
    "data_efficiency_multiplier",
    "delong_covariance",
    "difference",
    "estimate_auroc",
    "estimate_means",
    "factorial_effects",
    "fanova_importances",
    "holm",
    "learning_curve",
    "level_interval",
    "macro_estimates",
    "sign_flip_test",
]
