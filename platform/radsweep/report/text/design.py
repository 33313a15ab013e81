"""Sentences that follow from the design: the population of claims, differences of replicates, choice of settings."""

from __future__ import annotations

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.analysis.tuned import HOW_TO_TUNE, is_tuned, tuned_once

NOT_TUNED = "Every arm ran at one setting of its own, none was tuned: what an arm adds, it adds at this setting."
TUNED_ONCE = (
    "The values were tuned once: claims speak of these tuned values only, not of the technique as such, and luck in "
    "tuning is in no interval."
)
TUNED = "Every arm was tuned again in each replicate, so intervals include luck in tuning."
TUNED_IN_ONE_REPLICATE = "Every arm was tuned in the one replicate that was run, so luck in tuning is in no interval."


def tuning_statement(results: Results) -> str:
    """One sentence on how the settings that are compared were chosen."""
    if is_tuned(results):
        tuned = TUNED if "tuning" in replicates_differ_by(results) else TUNED_IN_ONE_REPLICATE
        return TUNED_ONCE if tuned_once(results) else tuned
    ablation = results.sweep.ablation
    if ablation is not None and ablation.design == "one-at-a-time":
        return "No arm was tuned: each level is compared with all else as in the base trial."
    return NOT_TUNED


def tuning_advice(results: Results) -> str:
    """Advice on tuning in the next sweep; empty if there is none to give."""
    ablation = results.sweep.ablation
    if is_tuned(results):
        return (
            f"Tune in each replicate ({HOW_TO_TUNE}): claims are then about techniques and include luck in tuning."
            if tuned_once(results)
            else ""
        )
    if ablation is not None and ablation.design == "one-at-a-time":
        return ""
    without = " (ablation.tune, without data.folds)" if folds(results) else " (ablation.tune)"
    return f"Give every arm the same tuning budget{without} before a technique is written off: each ran at one setting."


def folds(results: Results) -> int:
    """Number of folds of a cross-validation; 0 without one."""
    return len({cell.fold for cell in results.sweep.cells} - {None})


def replicates_differ_by(results: Results) -> list[str]:
    """Name the differences between the replicates of an arm; none if each arm has one replicate."""
    found = ["tuning"] if is_tuned(results) and not tuned_once(results) else []
    found += ["subset of studies"] if any(_several_subsets(results, size) for size in results.sizes) else []
    found += ["start"] if len({r.planned.init_seed for r in results.all}) > 1 else []
    return found if len({r.replicate for r in results.all}) > 1 else []


def population(results: Results) -> str:
    """Sentences on the population that the intervals speak of."""
    patients = f"other patients like those of {'this data set' if folds(results) else 'the test split'}"
    differ = replicates_differ_by(results)
    if not differ:
        return (
            f"Every interval is about {patients}, and about the one replicate that was run: other subsets of studies "
            "and other starts may give another answer."
        )
    fixed = "The candidates that a query is searched among are held fixed"
    fixed += ", and so is the validation split on which tuning selects." if is_tuned(results) else "."
    starts = ["other starts"] if "start" in differ else []
    about = wording.listed([_studies(results), *starts, patients])
    return f"Every claim is about {about}; other training studies may give another answer. {_whole(results)}{fixed}"


def _studies(results: Results) -> str:
    """The training studies that the replicates of an arm come from."""
    pool = _pool(results)
    studies = f"these {pool:,} training studies" if pool else "these training studies"
    if "subset of studies" in replicates_differ_by(results):
        return f"subsets of {studies}"
    trained = max((r.record.pairs for r in results.measured if r.record), default=0)
    whole = trained >= pool if pool else all(size is None for size in results.sizes)
    return studies if whole and not folds(results) else f"the one subset of {studies} that was drawn at each size"


def _whole(results: Results) -> str:
    """A sentence on the sizes at which all replicates trained on the same studies, if others differ by theirs."""
    same = [size for size in results.sizes if not _several_subsets(results, size)]
    if not same or len(same) == len(results.sizes):
        return ""
    at = wording.sentence_start(f"at {wording.sizes_name(same)}")
    return f"{at} all replicates trained on the same studies, so nothing there is about other subsets. "


def _pool(results: Results) -> int:
    """Studies that subsets are drawn from; 0 if that is not known."""
    by_split = results.sweep.data.get("studies", {}).get("pairs", {})
    return sum(by_split.values()) if folds(results) else by_split.get("train", 0)


def _several_subsets(results: Results, size: int | None) -> bool:
    """True if replicates of a size trained on different studies; by their seeds if the records do not say."""
    of = [r for r in results.all if r.planned.pairs == size]
    known = {r.record.subset_sha256 for r in of if r.record and r.record.subset_sha256}
    return len(known or {r.planned.subset_seed for r in of}) > 1
