"""The figures of all scenarios as text: for a terminal, and for docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claims_referee.figures import Figures


def plain(found: dict[str, Any]) -> Iterator[str]:
    """A line a scenario, then the gates that are missed."""
    yield f"{'scenario':<46} false/cmp false/rep  each joint chosen level times  width power contradictions seconds"
    for name, of in found["scenarios"].items():
        false, held = of["false"], of["coverage"]
        shares = [false["per_comparison"], false["per_report"], *(held[k] for k in ("each", "joint", "selected"))]
        shares += [held["levels"], held["multipliers"], of["width"], of["power"]]
        numbers = "  ".join("  –  " if share is None else f"{share:.3f}" for share in shares)
        yield f"{name:<46} {numbers}  {of['contradictions']}  {of['seconds']:.3f}"
    yield from (f"missed: {name}" for name in found["missed"])


def markdown(found: dict[str, Any]) -> Iterator[str]:
    """The table in the documentation. A figure that misses its gate is bold."""
    yield (
        "| scenario | reports | false claims: of comparisons, of reports, beside a true effect "
        "| coverage: together, chosen arm, levels, multipliers | width, limit | power, limit |"
    )
    yield "|---|---|---|---|---|---|"
    for name, of in found["scenarios"].items():
        false, held, gates = of["false"], of["coverage"], of["gates"]
        together = "joint" if "coverage joint" in gates else "each"
        cells = [
            name,
            f"{sum(of['reports'].values()):,}",
            ", ".join(
                (
                    _percent(false["per_comparison"]),
                    _bold(_percent(false["per_report"]), gates, "false per_report"),
                    _bold(_percent(false["per_report_planted"]), gates, "false per_report_planted"),
                )
            ),
            ", ".join(
                _bold(_percent(held[part]), gates, f"coverage {part}")
                for part in (together, "selected", "levels", "multipliers")
            ),
            _with_limit(of, "width", lambda value: f"{value:.2f}"),
            _with_limit(of, "power", _percent),
        ]
        yield f"| {' | '.join(cells)} |"


def _with_limit(of: Figures, name: str, shown: Any) -> str:
    if of[name] is None:
        return "–"
    gate = of["gates"].get(name)
    return _bold(shown(of[name]), of["gates"], name) + (f", {shown(gate[1])}" if gate else "")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _bold(text: str, gates: dict[str, list[Any]], name: str) -> str:
    return f"**{text}**" if name in gates and not gates[name][2] else text
