"""Show a dry run: a table of its trials, and lines about what they share and how long they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from radsweep.console import duration
from radsweep.sweep.forecast.tuning_cost import tuning_lines

if TYPE_CHECKING:
    from radsweep.sweep.forecast.dry_run import DryRun

MOST_STAGES = 20  # listed at most


def plan_table(found: DryRun) -> Table:
    table = Table(title=f"{found.experiment}: what would run", title_justify="left")
    tuned = any(row.tuning for row in found.rows)
    for head in ("arm", "pairs", *(["tuning"] if tuned else []), "replicates", "trials", "done already"):
        table.add_column(head, justify="left" if head == "arm" else "right")
    for row in found.rows:
        size = "all" if row.pairs is None else f"{row.pairs:,}"
        tuning = [str(row.tuning)] if tuned else []
        table.add_row(row.arm or "–", size, *tuning, str(row.replicates), str(row.trials), str(row.done))
    return table


def plan_lines(found: DryRun) -> list[str]:
    lines = ["Trials: as many as its hours allow" if found.trials is None else f"Trials: {found.trials:,}"]
    if found.distinct is not None:
        lines[0] += f", of which {found.distinct:,} distinct; {found.done:,} done already"
    lines += tuning_lines(found.tuning)
    for stage in found.stages[:MOST_STAGES]:
        what = f"{stage.name} stage {stage.key[:12]}"
        takes = "" if stage.seconds is None else f", about {duration(stage.seconds)}"
        lines.append(f"Shared: {what}, by {stage.trials:,} trials{', done already' if stage.done else takes}")
    if len(found.stages) > MOST_STAGES:
        lines.append(f"Shared: {len(found.stages) - MOST_STAGES:,} stages more")
    if found.slots is not None:
        lines.append(f"Slots: {found.slots} on this machine ({found.device})")
    if (time := found.estimate) is not None:
        most = "at most " if time.at_most else "about "
        lines.append(f"Time: {most}{duration(time.wall_seconds)}, {most}{time.compute_hours:.2g} {time.unit}")
        lines += [f"  from {source} ({count:,})" for source, count in time.sources.items()]
    else:
        lines.append(f"Time: no estimate, since {found.no_estimate}")
    lines += [f"Note: {note}" for note in found.notes]
    lines.append("Nothing was started, nothing was written.")
    return lines
