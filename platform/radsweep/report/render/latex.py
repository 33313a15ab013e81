"""The comparisons as a table for LaTeX that needs no package, and of many rows only longtable."""

from __future__ import annotations

from collections.abc import Sequence

from radsweep.report import wording
from radsweep.report.analysis.results import Results
from radsweep.report.render.cell_wording import difference_shown, value_shown
from radsweep.report.sections.table_reading import metric_explained
from radsweep.report.tables.arm_cells import ArmCell, arm_table
from radsweep.report.tables.table import size_cell
from radsweep.report.text.verdicts import basis

MOST_ROWS = 40  # on a page
_COLUMNS = "lrllrrl"
_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
        "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "`": r"\textasciigrave{}", "\N{NO-BREAK SPACE}": "~",
        "[": "{[}", "]": "{]}",  # after \\ or \item they would be an argument
        "-": "{-}",  # two would become a dash
        "−": "$-$", "–": "--", "±": r"$\pm$", "×": r"$\times$", "“": "``", "”": "''",
    }
)  # fmt: skip


def render_latex(results: Results) -> str:
    """The metric that the report is about: values, differences with intervals, p, verdicts with their reasons."""
    table, reasons = arm_table(results), list[str]()
    rows = [_row(results.metric, cell, reasons) for cell in table.cells]
    notes = [f"\\par\\noindent $^{{{number}}}$ {escaped(why)}." for number, why in enumerate(reasons, 1)]
    spread = "95 % interval" if table.intervals else "standard deviation"
    head = ("Arm", "Pairs", f"Value, {spread}", f"Difference, {spread}", "p", "n", "Verdict")
    caption = f"{metric_explained(results)} Differences are from {table.baseline}. {basis(results)}"
    lines = _longtable if len(rows) > MOST_ROWS else _table
    text = "\n".join(lines(_line([escaped(name) for name in head]), rows, escaped(caption), notes)) + "\n"
    if any(ord(letter) > 0xFF for letter in text):
        return f"% Some names need more than Latin letters: use XeLaTeX or LuaLaTeX.\n{text}"
    return text


def escaped(text: str) -> str:
    r"""Text that LaTeX prints as it stands: `a_b & [x]` as `a\_b \& {[}x{]}`."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(filter(None, printable.split(" "))).translate(_ESCAPED)


def _row(metric: str, cell: ArmCell, reasons: list[str]) -> str:
    found, n = cell.comparison, cell.replicates
    mark = ""
    if found and found.why:
        if found.why not in reasons:
            reasons.append(found.why)
        mark = f"$^{{{reasons.index(found.why) + 1}}}$"
    p = wording.p_value(found.change.p_adjusted).removeprefix("= ") if found and found.change else ""
    count = str(n.measured) if n.measured == n.planned else f"{n.measured} of {n.planned}"
    difference = "" if cell.verdict == "same run" else difference_shown(metric, cell)
    texts = (cell.arm, size_cell(cell.size), value_shown(metric, cell), difference, p, count)
    return _line([*map(escaped, texts), f"{escaped(cell.verdict or '')}{mark}"])


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _table(head: str, rows: list[str], caption: str, notes: list[str]) -> list[str]:
    return [
        r"\begin{table}",
        rf"\caption{{{caption}}}",
        r"\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{{_COLUMNS}}}",
        *(r"\hline", head, r"\hline", *rows, r"\hline"),
        r"\end{tabular}",
        *notes,
        r"\end{table}",
    ]


def _longtable(head: str, rows: list[str], caption: str, notes: list[str]) -> list[str]:
    return [
        r"% The document needs \usepackage{longtable}.",
        r"{\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{longtable}}{{{_COLUMNS}}}",
        rf"\caption{{{caption}}}\\",
        *(r"\hline", head, r"\hline", r"\endhead", *rows, r"\hline"),
        r"\end{longtable}",
        *notes,
        r"}",
    ]
