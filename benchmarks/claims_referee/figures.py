"""The figures of a scenario from the rows of its reports, and the gates that they pass or miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from claims_referee.draws import Truth, roles
from claims_referee.oracle import critical, least_power, widest
from claims_referee.scenario import Scenario
from claims_referee.scoring import Row

FALSE, COVERED, REACHED = 0.05, 0.93, 0.97
Figures = dict[str, Any]


def figures(scenario: Scenario, truth: Truth, null: Sequence[Row], planted: Sequence[Row]) -> Figures:
    """Shares over reports, None of nothing. `gates`: {name: [value, limit, whether it is met]}."""
    every = [*null, *planted]
    verdicts: Counter[str] = sum((Counter(row["verdicts"]) for row in every), Counter())
    found: Figures = {
        "reports": {"null": len(null), "planted": len(planted)},
        "false": {
            "per_comparison": _share(null, "false"),
            "per_report": _mean([row["false_report"] for row in null]),
            "per_report_planted": _mean([row["false_report"] for row in planted]),
            "recommended": _mean([row["recommended_false"] for row in every]),
            "equivalent": sum(row["false_equivalent"] for row in every),
        },
        "coverage": {
            "each": _share(every, "each"),
            "joint": _mean([row["joint"] for row in every if row["joint"] is not None]),
            "selected": _share(every, "selected"),
            "levels": _share(every, "levels"),
            "multipliers": _share(every, "multipliers"),
        },
        "width": _median([width for row in every for width in row["widths"]]),
        "power": _share(planted, "found"),
        "contradictions": sum(row["contradictions"] for row in every),
        "beyond_bounds": _mean([row["beyond"] > 0 for row in every]),
        "read_on_test": _mean([row["test"] for row in every]),
        "verdicts": dict(verdicts),
        "seconds": _mean([row["seconds"] for row in every]),
    }
    return found | {"gates": _gates(scenario, truth, found, every)}


def _gates(scenario: Scenario, truth: Truth, found: Figures, every: Sequence[Row]) -> dict[str, list[Any]]:
    corrected_for = max((row["corrected_for"] for row in every), default=1)
    gates: dict[str, list[Any]] = {}
    for name, reports in (("per_report", "null"), ("per_report_planted", "planted")):
        rate, many = found["false"][name], found["reports"][reports]
        if rate is not None:
            limit = FALSE + 2 * (FALSE * (1 - FALSE) / many) ** 0.5
            gates[f"false {name}"] = [rate, limit, rate <= limit]
    conditional = scenario.tuned == "once"  # the report says that its intervals are about these tuned values
    for name in ("joint" if corrected_for > 1 else "each", "selected", "levels", "multipliers"):
        share = found["coverage"][name]
        if share is not None and not conditional:
            gates[f"coverage {name}"] = [share, COVERED, share >= COVERED]
    if (
        found["width"] is not None and not scenario.looks and not conditional
    ):  # looks cost width, and no limit says how much
        limit = widest(scenario, corrected_for)
        gates["width"] = [found["width"], limit, found["width"] <= limit]
    if found["power"] is not None and scenario.claimable and not scenario.looks and _finds_nine_of_ten(scenario, truth):
        gates["power"] = [found["power"], least_power(scenario), found["power"] >= least_power(scenario)]
    for name in ("contradictions", "beyond_bounds"):
        gates[name] = [found[name], 0, not found[name]]
    return gates


def _finds_nine_of_ten(scenario: Scenario, truth: Truth) -> bool:
    """False where the effect that the oracle finds is beyond the metric's bounds, or is the margin."""
    role = roles(scenario, planted=True)[-1]
    mean_PS, base_PS = (np.array(truth["mean"][name]) for name in (role, "baseline"))
    wanted_S = (critical(scenario.comparisons) + 1.28) * np.array(truth["error"][role])
    return scenario.margin is None and bool((abs(mean_PS - base_PS).mean(0) >= REACHED * wanted_S).all())


def _share(rows: Sequence[Row], name: str) -> float | None:
    right, of = (sum(row[name][i] for row in rows) for i in (0, 1))
    return right / of if of else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) else None
