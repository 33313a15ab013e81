"""The comparisons as CSV and as a table for LaTeX."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.errors import InputError
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.latex import escaped, render_latex
from radsweep.report.render.long_table import refuse_other_kinds, render_csv
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
BASE, HELPED = [0.12, 0.14, 0.13], [0.22, 0.24, 0.23]
NAMES = ("a_b", "50%", "a&b", "[x]", r"\begin{x}", "{$#^~}", "<i>\"--'|`", 'comma, "quoted"')
PDFLATEX = shutil.which("pdflatex")


@pytest.fixture
def hostile(ablation: Callable[..., Sweep], with_queries: Callable[..., Any]) -> Results:
    numbers = {"[base]": {300: BASE}} | {name: {300: HELPED} for name in NAMES}
    sweep, cells, queries = with_queries(*ablation(numbers, unconverged=[("50%", 300, 1)]))
    return join(sweep, cells, queries.get)


def rows(results: Results) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(results))))


def test_csv_has_a_row_for_each_arm_size_and_metric_with_interval_verdict_and_reason(hostile: Results) -> None:
    found = rows(hostile)
    assert [row["arm"] for row in found] == ["[base]", *NAMES] * 2
    assert {row["metric"] for row in found[9:]} == {"test/image_to_text/recall_at_10"}
    base, helped, late = found[:3]
    assert (base["verdict"], base["difference"], base["replicates"]) == ("", "", "3")
    change = hostile.evidence.differences["a_b", 300]
    assert [float(helped[name]) for name in ("difference", "difference_low", "difference_high", "p_adjusted")] == [
        pytest.approx(value) for value in (change.estimate, change.low, change.high, change.p_adjusted)
    ]
    level = hostile.evidence.levels["a_b", 300]
    assert float(helped["value_low"]) == pytest.approx(level.low)
    assert (helped["verdict"], helped["reason"], helped["pairs"]) == ("helped", "", "300")
    assert helped["changes"] == "objective.local.weight: 0.1"
    assert (late["verdict"], late["reason"]) == ("not converged", "50% (replicate 2) had not converged")
    assert found[10]["verdict"] == "", "no claim is made about other metrics"


def test_what_is_not_known_is_empty(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: HELPED}})
    del cells["local-300-0"]
    found = rows(join(sweep, cells))
    local = next(row for row in found if row["arm"] == "local")
    assert (local["difference_low"], local["value_low"], local["p_adjusted"]) == ("", "", "")
    assert (local["replicates"], local["planned"], local["verdict"]) == ("2", "3", "cannot be claimed")
    nothing = rows(join(sweep, {}))
    assert {(row["value"], row["difference"], row["verdict"]) for row in nothing} == {("", "", "")}


def test_names_are_text_in_latex() -> None:
    assert escaped("a_b & 50% [x]") == r"a\_b \& 50\% {[}x{]}"
    assert escaped(r"\input{x}") == r"\textbackslash{}input\{x\}"
    assert escaped("a--b\n\x1b c") == "a{-}{-}b c"
    assert escaped("−1 ± 2 × 3") == r"$-$1 $\pm$ 2 $\times$ 3"


def test_a_latex_table_has_intervals_and_verdicts_with_their_reasons(hostile: Results) -> None:
    text = render_latex(hostile)
    change = hostile.evidence.differences["a_b", 300]
    assert r"a\_b & 300 & " in text
    assert f"+{100 * change.estimate:.1f} {{[}}+{100 * change.low:.1f}, +{100 * change.high:.1f}{{]}} points" in text
    assert re.search(r"a\\_b & .* & 3 & helped \\\\$", text, re.MULTILINE)
    assert re.search(r"50\\% & .* & 3 & not converged\$\^\{1\}\$ \\\\$", text, re.MULTILINE)
    assert r"$^{1}$ 50\% (replicate 2) had not converged." in text
    assert all(line.count(" & ") == 6 for line in text.splitlines() if line.endswith(r" \\"))
    begun, ended = (re.findall(rf"(?<!\\)\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "tabular"]
    bare = re.sub(r"\\[\\{}$&#%_]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[%#~|<>`]", bare.replace("``", ""))


def test_many_rows_may_break_over_pages(ablation: Callable[..., Sweep]) -> None:
    text = render_latex(join(*ablation({f"arm {n}": {300: BASE} for n in range(41)})))
    assert r"\usepackage{longtable}" in text
    assert r"\begin{longtable}" in text
    assert r"\begin{table}" not in text


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex on this machine")
@pytest.mark.parametrize("long", [False, True])
def test_the_latex_compiles(long: bool, hostile: Results, ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    results = join(*ablation({f"[{n}] a_b & 50%": {300: BASE} for n in range(60)})) if long else hostile
    package = r"\usepackage{longtable}" if long else ""
    document = rf"\documentclass{{article}}{package}\begin{{document}}{render_latex(results)}\end{{document}}"
    (tmp_path / "table.tex").write_text(document, encoding="utf-8")
    command = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout[-2000:]
    assert (tmp_path / "table.pdf").is_file()


def test_a_search_has_no_table_of_comparisons(search: Callable[..., Sweep]) -> None:
    with pytest.raises(InputError, match="0002 is a search, and csv is a table of an ablation's comparisons; use --f"):
        refuse_other_kinds(search([0.1, 0.2])[0], "csv")
