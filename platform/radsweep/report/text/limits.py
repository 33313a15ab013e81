"""Limits of adapted towers: their training data, and the variation that their numbers do not include."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from radsweep.config import keys
from radsweep.report import wording
from radsweep.report.analysis.results import Results

_SOURCES = {
    "all": "all {what}s of the training split and its unpaired pool, whatever the number of pairs",
    "subset": "only the {what}s of each trial's own pairs",
}
_SHARED_BY = {"all": "all replicates", "subset": "each subset of studies"}
_WHAT = {"image": "image", "text": "report"}


def selection_cost(results: Results) -> str:
    """The validation pairs that chose checkpoints beside the pairs trained on, at each size."""
    parts: list[str] = []
    for size in results.sizes:
        records = [r.record for r in results.measured if r.record and r.planned.pairs == size and r.record.pairs]
        pools = [pool for record in records if (pool := record.pool.get("val/candidates"))]
        if pools:
            trained = round(sum(record.pairs for record in records) / len(records))
            chose = round(sum(pools) / len(pools))
            parts.append(f"{chose:,} beside {trained:,} ({wording.times(chose / trained)} times)")
    if not parts:
        return ""
    return (
        "Validation pairs that chose checkpoints, beside the pairs trained on: "
        f"{wording.listed(list(dict.fromkeys(parts)))}. data.validation_pairs or data.validation_ratio limits them."
    )


def adaptation(results: Results) -> Iterator[str]:
    """A sentence for each kind of adaptation among the trials."""
    arms: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for result in results.all:
        trial = result.record.trial if result.record else {}
        for tower in _WHAT:
            method, data = (keys.get(trial, f"adapt.{tower}.{name}") for name in ("method", "data"))
            if method and method != "none" and result.planned.arm not in arms[tower, method, data]:
                arms[tower, method, data].append(result.planned.arm)
    for (tower, method, data), names in arms.items():
        by = f" ({wording.listed(names)})" if any(names) else ""
        yield (
            f"The {tower} tower adapted by {method}{by} learnt from {_SOURCES[data].format(what=_WHAT[tower])}; never "
            f"from those of validation or test patients. A stage runs once for {_SHARED_BY[data]}, from one start "
            f"(adapt.{tower}.seed): the spread over replicates does not hold that of its start."
        )
