"""The report's plain tables, already worded: heads and rows of text."""

from __future__ import annotations

from radsweep.config.metrics import DIRECTIONS, Metric
from radsweep.console import duration
from radsweep.report import wording
from radsweep.report.analysis.results import Result, Results, searched
from radsweep.report.tables.table import Table, cell_numbers, short_key, size_cell

TOP = 10
_BESIDE = ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank")


def top_trials(results: Results) -> Table:
    """The best trials of a search with the values that it chose."""
    keys = searched(results)
    select = results.sweep.select
    head = ("trial", wording.metric_name(select), "converged", *keys)
    scored = [(v, r) for r in results.measured if (v := r.value(select)) is not None]
    if results.sweep.kind != "search":
        scored = []
    rows = tuple(
        (
            str(r.planned.number),
            wording.number(select, v),
            _converged(r),
            *(wording.setting(r.planned.changes[key]) if key in r.planned.changes else "–" for key in keys),
        )
        for v, r in sorted(scored, key=lambda pair: pair[0], reverse=Metric(select).higher)[:TOP]
    )
    return Table(f"The {len(rows)} best trials on the validation split", head, rows)


def further_metrics_table(results: Results) -> Table:
    """Both directions at several depths, for every arm and size; for a search, those of its winner, by split."""
    metric = Metric(results.metric)
    split = metric.split
    known = {name.split("/", 1)[1] for r in results.measured if r.record for name in r.record.best}
    first = metric.direction.removesuffix("_same_text")
    directions = sorted(DIRECTIONS, key=lambda direction: direction != first)
    columns = [f"{direction}/{name}" for direction in directions for name in _BESIDE]
    columns += [f"{direction}_same_text/recall_at_10" for direction in directions]
    columns = [c for c in columns if c in known]
    arrow = {"image_to_text": "image → report", "text_to_image": "report → image"}
    names = []
    for column in columns:
        direction, name = column.split("/")
        base = direction.removesuffix("_same_text")
        same = " (same wording)" if base != direction else ""
        names.append(f"{arrow[base]} {wording.short_name(name)}{same}")
    rows: list[tuple[str, ...]] = []
    if results.sweep.kind == "ablation":
        lead: tuple[str, ...] = ("arm", "pairs", "n", "cells")
        levels = [wording.number(c, results.chance(f"{split}/{c}")) for c in columns]
        if results.measured:
            rows.append(("chance", "", "", "", *levels))
        for group in results.groups:
            if found := group.spread(results.metric):
                shown = [wording.with_deviation(c, group.spread(f"{split}/{c}")) for c in columns]
                cells = cell_numbers(group.measured(results.metric))
                rows.append((group.arm, size_cell(group.size), str(found.n), cells, *shown))
    else:
        lead = ("split",)
        best = results.leader
        for name in ("val", "test"):
            if best and best.value(f"{name}/{columns[0]}" if columns else "") is not None:
                rows.append((wording.SPLIT[name], *(wording.number(c, best.value(f"{name}/{c}")) for c in columns)))
                levels = [wording.number(c, results.chance(f"{name}/{c}")) for c in columns]
                rows.append((f"chance, {wording.SPLIT[name]}", *levels))
    title = f"Further metrics, {wording.SPLIT[split]} split" if results.sweep.kind == "ablation" else "Further metrics"
    return Table(title, (*lead, *names), tuple(rows))


def cost_table(results: Results) -> Table:
    known = {
        "wall_seconds": "wall-clock time of the sweep",
        "trials_run": "trials run",
        "trials_reused": "trials reused from earlier sweeps",
        "adaptation_seconds": "adaptation of towers before trials, in this sweep",
        "adaptation_reused_seconds": "adaptation of towers reused from earlier sweeps",
        "images_decoded": "images decoded",
        "slots": "trial slots side by side",
    }
    rows = []
    for key, value in results.sweep.cost.items():
        if key.startswith("adaptation_") and not value:
            continue
        shown = duration(value) if key.endswith("seconds") else f"{value:,.0f}"
        rows.append((known.get(key, key.replace("_", " ")), shown))
    parts: dict[str, float] = {}
    for result in results.all:
        for part, seconds in (result.record.seconds if result.record else {}).items():
            parts[part] = parts.get(part, 0.0) + seconds
    rows += [(f"{part}, summed over cells", duration(seconds)) for part, seconds in parts.items()]
    if tuning := sum(r.record.seconds.get("total", 0.0) for r in results.tuning if r.record):
        rows.append(("tuning trials, summed", duration(tuning)))
    steps = sum(r.record.steps for r in results.all if r.record)
    return Table("Cost", ("what", "how much"), (*rows, ("optimiser steps, summed over cells", f"{steps:,}")))


def data_card(results: Results) -> list[Table]:
    """Sizes by split, dropped rows by reason, notes and source of the data set."""
    data = results.sweep.data
    tables = []
    sizes = []
    for kind, by_split in (data.get("studies") or {}).items():
        for split, studies in by_split.items():
            counts = [(data.get(what) or {}).get(kind, {}).get(split) for what in ("patients", "images")]
            sizes.append((kind, split, f"{studies:,}", *("–" if n is None else f"{n:,}" for n in counts)))
    if sizes:
        tables.append(Table("Sizes", ("kind", "split", "studies", "patients", "images"), tuple(sizes)))
    if dropped := data.get("dropped"):
        rows = tuple((reason, f"{count:,}") for reason, count in dropped.items())
        tables.append(Table("Left out when the data set was packed", ("reason", "rows"), rows))
    about = [("fingerprint", str(data["fingerprint"]))] if data.get("fingerprint") else []
    about += [("labels", ", ".join(map(str, data["labels"])))] if data.get("labels") else []
    about += [("note", str(note)) for note in data.get("notes") or ()]
    about += [(f"source, {key}", wording.setting(value)) for key, value in (data.get("source") or {}).items()]
    if about:
        tables.append(Table("About", ("what", "value"), tuple(about)))
    return tables


def provenance(results: Results) -> Table:
    sweep = results.sweep
    records = [r.record for r in results.all if r.record]
    rows = [
        ("sweep", sweep.id),
        ("device", wording.listed(sorted({record.device for record in records}))),
        ("code fingerprint", sweep.code),
        ("git commit", sweep.git_commit),
        ("started", sweep.created),
        ("ended", sweep.ended),
        *([("the search ended by", sweep.ended_by)] if sweep.ended_by else []),
        *((f"version of {name}", version) for name, version in sweep.versions.items()),
    ]
    return Table("Provenance", ("what", "value"), tuple((what, value or "–") for what, value in rows))


def stages(results: Results) -> Table:
    """Adaptation and features that cells started from, each run once, with the arms that use it."""
    users: dict[str, list[str]] = {}
    for result in results.all:
        for key in result.record.stages.values() if result.record else ():
            users.setdefault(key, []).append(result.planned.arm or f"trial {result.planned.number}")
    rows = []
    for key, arms in users.items():
        record = results.stages.get(key)
        seconds = sum(v for part, v in record.seconds.items() if part != "total") if record else 0.0
        rows.append(
            (
                key[:12],
                wording.listed(list(dict.fromkeys(arms))),
                str(len(arms)),
                f"{record.pairs:,}" if record else "no record",
                f"{record.steps:,}" if record else "–",
                duration(seconds) if record else "–",
            )
        )
    return Table("Adaptation stages", ("key", "arms", "runs", "studies", "steps", "time"), tuple(rows))


def all_cells(results: Results) -> Table:
    """Every cell of the plan with its key: where each number of the report comes from."""
    select = results.sweep.select
    test = str(Metric(select).on("test"))
    head = ("no.", "key", "arm", "pairs", "trained on", "subset seed", "init seed", "status", "steps", "converged")
    rows = []
    for r in results.all:
        record = r.record
        rows.append(
            (
                str(r.planned.number),
                short_key(r.planned.key),
                r.planned.arm or "–",
                size_cell(r.planned.pairs),
                f"{record.pairs:,}" if record and record.pairs else "–",
                str(r.planned.subset_seed),
                str(r.planned.init_seed),
                r.status,
                f"{record.steps:,}" if record else "–",
                _converged(r),
                wording.number(select, r.value(select)),
                "no number" if r.untested(results.metric) else wording.number(test, r.value(test)),
            )
        )
    return Table("Cells", (*head, "validation", "test"), tuple(rows))


def _converged(result: Result) -> str:
    if result.record is None or result.record.status == "failed":
        return "–"
    return "yes" if result.record.converged else result.record.convergence
