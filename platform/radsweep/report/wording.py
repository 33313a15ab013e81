"""Wording of metrics and numbers: percent for shares, one place for units and names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from radsweep.evaluation.summary import Spread

if TYPE_CHECKING:  # a table of numbers needs no SciPy
    from radsweep.evaluation.statistics import Difference, Interval

DIRECTION = {"text_to_image": "report to image", "image_to_text": "image to report"}
SPLIT = {"val": "validation", "test": "test"}


def metric_name(metric: str) -> str:
    """`test/text_to_image/recall_at_10` as `test recall@10, report to image`."""
    split, what = metric.split("/", 1)
    direction, name = what.rsplit("/", 1)
    base = direction.removesuffix("_same_text")
    same = ", same wording counts" if base != direction else ""
    if (searched := base.removesuffix("_local")) in DIRECTION:
        return f"{SPLIT[split]} {short_name(name)}, {DIRECTION[searched]}{', local score' * (searched != base)}{same}"
    place = re.sub(r"/([\d.]+)_percent$", r" at \1 %", base).replace("_", " ")
    return f"{SPLIT[split]} {short_name(name)}, {place}{same}"


def numbers_listed(numbers: Sequence[int]) -> str:
    """List numbers in their order, more than 10 in equal steps written as `1, 21, …, 1981`."""
    parts: list[str] = []
    start = 0
    while start < len(numbers):
        end = start + 1
        while end + 1 < len(numbers) and numbers[end + 1] - numbers[end] == numbers[start + 1] - numbers[start]:
            end += 1
        if end - start < 10 or numbers[start + 1] == numbers[start]:
            end = start
            parts.append(str(numbers[start]))
        else:
            parts += [str(numbers[start]), str(numbers[start + 1]), "…", str(numbers[end])]
        start = end + 1
    return ", ".join(parts)


def without(classes: Sequence[str]) -> str:
    """` without Hernia`, of a macro mean; nothing if no class is left out."""
    return f" without {listed(classes)}" if classes else ""


def short_name(name: str) -> str:
    name = name.rsplit("/", 1)[-1]
    shown = name.replace("recall_at_", "recall@").replace("precision_at_", "precision@").replace("_", " ")
    return {"auroc": "AUROC"}.get(name, shown)


def explained(metric: str, pool: int | None) -> str:
    """Explanation of the metric for a reader who does not know it."""
    name = metric.rsplit("/", 1)[-1]
    candidates = f"the {pool} candidates" if pool else "all candidates"
    query, target = ("image", "report") if "image_to_text" in metric else ("report", "image")
    if name.startswith("recall_at_"):
        k = int(name.removeprefix("recall_at_"))
        best = "the first" if k == 1 else f"among the first {k}"
        return f"share of {query}s whose own {target} is {best} of {candidates}"
    return {
        "mean_reciprocal_rank": f"mean of 1 / rank of a {query}'s own {target} among {candidates}",
        "rank_percentile": f"share of the other candidates that a {query}'s own {target} is ranked before",
        "median_rank": f"median rank of a {query}'s own {target} among {candidates}; lower is better",
        "mean_rank": f"mean rank of a {query}'s own {target} among {candidates}; lower is better",
    }[name]


def is_share(metric: str) -> bool:
    return "recall_at_" in metric or metric.endswith("rank_percentile")


def is_rank(metric: str) -> bool:
    """Metrics that are not within [0, 1]."""
    return metric.rsplit("/", 1)[-1] in ("median_rank", "mean_rank")


def number(metric: str, value: float | None) -> str:
    """`18.1 %`, `0.214` or `35.5`; a dash if there is none."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if is_share(metric) else _plain(metric, value)


def difference_with_unit(metric: str, value: float) -> str:
    """Format with its sign: `+3.9 points`, `−0.021`, `−12.5`."""
    return signed(metric, value) + points(metric)


def points(metric: str) -> str:
    """The unit of a difference of shares; nothing for other metrics."""
    return " points" * is_share(metric)


def signed(metric: str, value: float) -> str:
    """As `difference_with_unit`, without the unit; what rounds to 0 has no sign."""
    size = _bare(metric, abs(value))
    return size if not size.strip("0.") else ("+" if value > 0 else "−") + size


def unsigned(metric: str, value: float) -> str:
    """The size of a difference with its unit: `3.9 points`, `0.021`, `12.5`."""
    return _bare(metric, abs(value)) + points(metric)


def rounded(number: int) -> str:
    """`1,300` of 1,287: two digits of a number that is only known roughly."""
    digits = max(len(str(number)) - 2, 0)
    return f"{round(number, -digits):,}"


def deviation(metric: str, found: Spread) -> str:
    """`± 1.3`; nothing if there is one replicate."""
    if found.deviation is None:
        return ""
    return f"± {100 * found.deviation:.1f}" if is_share(metric) else f"± {_plain(metric, found.deviation)}"


def value_bracketed(metric: str, found: Interval) -> str:
    """`19.0 % [17.1, 21.0]`."""
    return f"{number(metric, found.estimate)} [{_bare(metric, found.low)}, {_bare(metric, found.high)}]"


def value_interval(metric: str, found: Interval) -> str:
    """`19.0 % (95 % interval 17.1 to 21.0)`."""
    ends = f"{_bare(metric, found.low)} to {_bare(metric, found.high)}"
    return f"{number(metric, found.estimate)} ({100 * found.level:.4g} % interval {ends})"


def difference_bracketed(metric: str, found: Difference) -> str:
    """`+6.0 [+4.1, +7.9] points`."""
    ends = f"[{signed(metric, found.low)}, {signed(metric, found.high)}]"
    return f"{signed(metric, found.estimate)} {ends}{points(metric)}"


def difference_interval(metric: str, found: Difference) -> str:
    """`+6.0 points (95 % interval +4.1 to +7.9)`."""
    ends = f"{signed(metric, found.low)} to {signed(metric, found.high)}"
    return f"{difference_with_unit(metric, found.estimate)} ({100 * found.level:.4g} % interval {ends})"


def p_value(p: float) -> str:
    """`= 0.012`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def times(value: float) -> str:
    """`12`, `2.1`, `0.33`."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def with_deviation(metric: str, found: Spread | None) -> str:
    """`18.1 % ± 1.3`; only the mean if there is one replicate."""
    return f"{number(metric, found.mean)} {deviation(metric, found)}".strip() if found else "–"


def size_name(size: int | None) -> str:
    return "all pairs" if size is None else f"{size:,} pairs"


def sizes_name(sizes: Sequence[int | None]) -> str:
    """`100, 300 and 1,000 pairs`."""
    if None in sizes:
        return listed([size_name(size) for size in sizes])
    return f"{listed([f'{size:,}' for size in sizes])} pairs"


def sentence_start(text: str) -> str:
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def count(n: int, noun: str, plural: str = "") -> str:
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def setting(value: object) -> str:
    """A searched value: numbers short, the rest as YAML would have it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(list(value)) if isinstance(value, list | tuple) else str(value)


def _bare(metric: str, value: float) -> str:
    return f"{100 * value:.1f}" if is_share(metric) else _plain(metric, value)


def _plain(metric: str, value: float) -> str:
    return f"{value:.1f}" if is_rank(metric) else f"{value:.3f}"
