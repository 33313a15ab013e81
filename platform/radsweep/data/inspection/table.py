"""An inspection as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table

from radsweep.data.inspection.inspection import CutReports, Inspection, Prevalence, RangeSummary
from radsweep.data.shards.schema import KINDS, SPLITS


def inspection_tables(inspection: Inspection) -> RenderableType:
    """Return an inspection as tables for the terminal."""
    counts = Table(title=f"{inspection.name}: studies / patients / images")
    for column in ("", *SPLITS):
        counts.add_column(column, justify="left" if not column else "right")
    for kind in KINDS:
        if sum(inspection.studies[kind].values()):
            counted = (inspection.studies, inspection.patients, inspection.images)
            counts.add_row(kind, *(" / ".join(str(what[kind][split]) for what in counted) for split in SPLITS))
    facts = Table(show_header=False, box=None)
    for name, text in _facts(inspection):
        facts.add_row(name, text)
    parts: list[RenderableType] = [counts, facts]
    if inspection.labels:
        labels = Table(title="labels: positive of known (unknown)")
        for column in ("", *SPLITS):
            labels.add_column(column, justify="left" if not column else "right")
        for label, splits in inspection.labels.items():
            labels.add_row(label, *(_share(splits[split]) for split in SPLITS))
        parts.append(labels)
    return Group(*parts)


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    facts = [("size", f"{inspection.bytes / 2**20:,.1f} MiB"), ("fingerprint", inspection.fingerprint)]
    if inspection.shortest_side and inspection.longest_side and inspection.images_per_study:
        facts += [
            ("shortest side", f"{_range(inspection.shortest_side)} pixels"),
            ("longest side", f"{_range(inspection.longest_side)} pixels"),
            ("images per study", _range(inspection.images_per_study)),
            ("formats", _counted(inspection.formats)),
            *_sources(inspection),
            ("views", _counted(inspection.views)),
        ]
    facts += [(f"words per report in {kind}", _range(spread)) for kind, spread in inspection.report_words.items()]
    facts += [(f"cut at {cuts.max_tokens} tokens", _cut(cuts)) for cuts in inspection.cut_reports if cuts.cut]
    repeats = inspection.repeats
    if repeats.studies:
        facts += [
            ("repeated reports", f"{repeats.reports} reports are in {repeats.studies} pairs"),
            ("", f"{repeats.same_patient} pairs share theirs with another pair of the same patient: false negatives"),
            ("", f"{repeats.across_splits} of the reports are in more than one split"),
        ]
    facts.append(("dropped rows", _counted(inspection.dropped) or "none"))
    facts += [("note", note) for note in inspection.notes]
    return facts


def _sources(inspection: Inspection) -> list[tuple[str, str]]:
    low = inspection.low_contrast
    facts = [("formats of the source", _counted(inspection.source_formats, ";"))] if inspection.source_formats else []
    if low:
        facts += [
            (
                "hardly any contrast",
                "; ".join(f"{name}: {low[name]} of {inspection.source_formats[name]}" for name in low),
            ),
            ("", "look at them: --pictures FILE.html"),
        ]
    return facts


def _cut(cuts: CutReports) -> str:
    lost = f"; {cuts.lost:,} lose their whole impression" if cuts.impressions else ""
    return f"{cuts.cut:,} of {cuts.reports:,} reports{lost}"


def _range(spread: RangeSummary) -> str:
    if spread.smallest == spread.largest:
        return str(spread.smallest)
    return f"{spread.smallest} to {spread.largest}, median {spread.median:g}"


def _counted(counts: Mapping[str, int], mark: str = ",") -> str:
    return f"{mark} ".join(f"{name}: {count}" for name, count in counts.items())


def _share(prevalence: Prevalence) -> str:
    known = prevalence.positive + prevalence.negative
    unknown = f" ({prevalence.unknown})" if prevalence.unknown else ""
    return f"{prevalence.positive} of {known}{unknown}"
