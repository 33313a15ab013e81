"""Section on where each technique helps: one folded table for each arm, marked as exploratory."""

from __future__ import annotations

from typing import Any

from radsweep.evaluation.statistics import FEWEST_PATIENTS
from radsweep.report import wording
from radsweep.report.analysis.group_differences import FALSE_DISCOVERIES, Interaction, Subgroups, subgroups
from radsweep.report.analysis.results import Results
from radsweep.report.sections.section import Block, Bullets, Caution, Details, Numbers, Section
from radsweep.report.tables.table import Table

MOST_NAMED = 8  # discoveries in sentences, and groups that are left out
MOST_SHOWN = 12  # groupings in the table of an arm; report.json has all


def where_it_helps(results: Results) -> Section:
    found = subgroups(results)
    blocks: list[Block] = []
    if found.tests:
        blocks = [Caution(_about(results, found)), Bullets(tuple(_said(results, found)))]
        for arm in found.arms:
            tests = sorted((test for test in found.tests if test.arm == arm), key=lambda test: (test.q, test.p))
            blocks.append(Details(_summary(arm, tests), Numbers(_table(results.metric, arm, tests)), in_markdown=True))
    return Section("Where each technique helps", "subgroups", tuple(blocks), data={"subgroups": _numbers(found)})


def without_subgroups(results: Results) -> list[str]:
    """The reason why the section is missing, for the methods."""
    found = subgroups(results)
    if found.tests or not results.measured or results.evidence.gap:  # without statistics, the table says why
        return []
    return [f"Differences by group of test queries (finding, view, length of the report) are left out: {found.why}."]


def _about(results: Results, found: Subgroups) -> str:
    rate = f"{100 * FALSE_DISCOVERIES:.0f} %"
    return (
        f"Exploratory: {wording.count(len(found.tests), 'test')}, false discovery rate {rate}. Each test asks if the "
        f"difference from {results.sweep.baseline} at {wording.size_name(found.size)} varies between groups of test "
        f"queries more than patients and seeds explain. It is shown to vary if q is below {FALSE_DISCOVERIES:g}. Each "
        "interval is of its group only, without a correction. Confirm what you find here on other data."
    )


def _said(results: Results, found: Subgroups) -> list[str]:
    varies = sorted((test for test in found.tests if test.varies), key=lambda test: (test.q, test.p))
    said = [_sentence(results.metric, test) for test in varies[:MOST_NAMED]]
    if len(varies) > MOST_NAMED:
        said.append(f"{len(varies) - MOST_NAMED:,} more are in the tables or in report.json.")
    if not varies:
        said.append("No difference is shown to vary between groups. That does not show that it is the same in all.")
    if found.left_out:
        fewest = sorted(found.left_out.items(), key=lambda item: -item[1])
        named = [f"{group} ({patients:,})" for group, patients in fewest[:MOST_NAMED]]
        named += [f"{len(fewest) - MOST_NAMED:,} more"] if len(fewest) > MOST_NAMED else []
        said.append(f"Groups of fewer than {FEWEST_PATIENTS} patients are left out: {wording.listed(named)}.")
    said += [f"{arm} is left out: {why}." for arm, why in (found.not_compared or {}).items()]
    return said


def _sentence(metric: str, test: Interaction) -> str:
    """`local: the difference varies with nodule: present +12.1 points, absent +2.0 points (q = 0.004).`."""
    parts = [
        f"{group.group.removeprefix(f'{test.grouping} ')} {wording.difference_with_unit(metric, group.change.estimate)}"
        for group in test.groups
    ]
    return f"{test.arm}: the difference varies with {test.grouping}: {', '.join(parts)} (q {wording.p_value(test.q)})."


def _summary(arm: str, tests: list[Interaction]) -> str:
    varies = [test.grouping for test in tests if test.varies]
    named = [*varies[:MOST_NAMED], *([f"{len(varies) - MOST_NAMED:,} more"] if len(varies) > MOST_NAMED else [])]
    what = f"varies with {wording.listed(named)}" if varies else "not shown to vary"
    shown = f" (the {MOST_SHOWN} clearest of {len(tests)} groupings)" if len(tests) > MOST_SHOWN else ""
    return f"{arm}, by group: {what}{shown}"


def _table(metric: str, arm: str, tests: list[Interaction]) -> Table:
    rows = [
        (
            group.group,
            wording.difference_bracketed(metric, group.change),
            f"{group.change.queries:,} of {wording.count(group.change.patients, 'patient')}",
            wording.p_value(test.q).removeprefix("= "),
            "yes" if test.varies else "no",
        )
        for test in tests[:MOST_SHOWN]
        for group in test.groups
    ]
    return Table(arm, ("group", "difference [95 % interval]", "queries", "q", "varies"), tuple(rows))


def _numbers(found: Subgroups) -> dict[str, Any]:
    """For report.json: every test, with the numbers of its groups."""
    ends = ("estimate", "low", "high", "queries", "patients")
    tests = [
        {
            "arm": test.arm,
            "grouping": test.grouping,
            "p": test.p,
            "q": test.q,
            "varies": test.varies,
            "groups": [
                {"group": group.group} | {name: getattr(group.change, name) for name in ends} for group in test.groups
            ],
        }
        for test in found.tests
    ]
    rest = {"left_out": found.left_out, "not_compared": found.not_compared, "why": found.why}
    return {"size": found.size, "false_discovery_rate": FALSE_DISCOVERIES, "tests": tests} | rest
