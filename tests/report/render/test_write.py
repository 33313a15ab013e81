from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from radsweep.config.load import load_experiment
from radsweep.report import wording
from radsweep.report.figures.svg import drawing
from radsweep.report.render.terminal import terminal_table
from radsweep.report.render.write import write_report
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
NUMBERS = {
    "baseline": {100: [0.06, 0.07, 0.062], 300: [0.12, 0.14, 0.13]},
    "local": {100: [0.09, 0.10, 0.093], 300: [0.18, 0.20, 0.191]},
}
HOSTILE = "<script>alert(1)</script> & $x_1$ | [red]"


def shown(sweep: SweepRecord, cells: dict[str, CellRecord]) -> str:
    console = Console(width=160, file=io.StringIO())
    console.print(terminal_table(sweep, cells))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_number_of_the_report_is_in_all_its_forms(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    page = write_report(tmp_path, *ablation(NUMBERS)).page
    assert page == tmp_path / "report.html"
    html = page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    for number in ("19.0 % ± 1.0", "6.4 % ± 0.5", "+6.0 points"):
        assert number in html
        assert number in markdown
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    cell = next(c for c in report["arm_cells"] if (c["arm"], c["size"]) == ("local", 300))
    assert cell["value"]["spread"]["mean"] == pytest.approx(0.190333, abs=1e-6)
    assert cell["comparison"]["difference"] == pytest.approx(0.060333, abs=1e-6)
    assert (report["pool"], report["chance"]) == (400, 0.025)
    assert load_experiment(tmp_path / "best.yaml").objective.local.weight == 0.0, "without intervals nothing helped"
    assert load_experiment(tmp_path / "candidate.yaml").objective.local.weight == 0.1
    for fact in ("images decoded", "5,211", "report is empty", "abc123", "made-up", "local-300-2"[:12]):
        assert fact in html


@pytest.mark.parametrize("kind", ["ablation", "search", "train", "running", "failed", "one size"])
def test_every_kind_and_state_of_a_sweep_has_a_report(
    kind: str, ablation: Callable[..., Sweep], search: Callable[..., Sweep], one_trial: Sweep, tmp_path: Path
) -> None:
    sweep, cells = {"search": lambda: search([0.1, 0.3, 0.2, 0.15, 0.25]), "train": lambda: one_trial}.get(
        kind, lambda: ablation({"baseline": {300: [0.1]}, "b": {300: [0.2]}} if kind == "one size" else NUMBERS)
    )()
    if kind == "running":
        sweep, cells = sweep.model_copy(update={"status": "running"}), {}
    if kind == "failed":
        broken = {"status": "failed", "error": "out of memory", "best": {}, "final": {}, "history": ()}
        cells = {key: record.model_copy(update=broken) for key, record in cells.items()}
    html = write_report(tmp_path, sweep, cells).page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    figures = html.count("<figure")
    expected = {"ablation": 5, "search": 5, "train": 1, "running": 0, "failed": 0, "one size": 3}
    assert figures == expected[kind]
    assert (tmp_path / "best.yaml").exists() == (kind not in ("running", "failed"))
    said = {"running": "No cell has been measured yet", "failed": "All 12 cells failed"}.get(kind, "Chance: 2.5 %")
    assert said in html
    assert said.split(",")[0] in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert shown(sweep, cells).strip()


def test_statistics_are_in_every_form_and_can_be_traced(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any], tmp_path: Path
) -> None:
    numbers = NUMBERS | {"weak": {100: [0.06, 0.07, 0.0625], 300: [0.125, 0.14, 0.1325]}}
    numbers |= {"strong": {100: [0.25, 0.26, 0.2575], 300: [0.36, 0.37, 0.365]}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    page, logged, _ = write_report(tmp_path, sweep, cells, queries.get)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    cell = next(c for c in report["arm_cells"] if (c["arm"], c["size"]) == ("local", 300))
    name = "arm/local/300/test/text_to_image/recall_at_10"
    change = cell["comparison"]["change"]
    assert change["low"] < cell["comparison"]["difference"] < change["high"]
    assert logged[f"{name}/difference_low"] == change["low"]
    assert logged[f"{name}/low"] == cell["value"]["interval"]["low"]
    assert logged[f"{name}/p_adjusted"] == change["p_adjusted"] >= change["p"]
    compared = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["comparisons"]
    row = next(row for row in compared if (row["arm"], row["size"]) == ("local", 300))
    assert (row["low"], row["high"], row["p_adjusted"]) == (change["low"], change["high"], change["p_adjusted"])
    assert row["verdict"] == cell["comparison"]["verdict"] == "helped"
    small = next(c for c in report["arm_cells"] if (c["arm"], c["size"]) == ("strong", 100))
    assert logged["arm/strong/100" + name[13:] + "/multiplier_low"] == small["multiplier"]["found"]["low"] == 3
    assert f"arm/baseline/300{name[13:]}/difference" not in logged
    other = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["measures"]
    assert {m["metric"] for m in other} == {"test/image_to_text/recall_at_10"}
    assert len(other) == 8
    low, high = (f"{100 * change[end]:+.1f}" for end in ("low", "high"))
    shown_change = f"+6.0 [{low}, {high}] points"
    html = page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    console = Console(width=200, file=io.StringIO())
    console.print(terminal_table(sweep, cells, queries.get))
    assert isinstance(console.file, io.StringIO)
    for text in (html, markdown, console.file.getvalue()):
        assert shown_change.removesuffix(" points") in text
    assert f"+6.0 points (95 % interval {low} to {high})" in html
    targets = set(re.findall(r'href="#(cell-\d+)"', html))
    assert len(targets) == len(sweep.cells)
    assert targets <= set(re.findall(r'<tr id="(cell-\d+)"', html))
    assert cell["replicates"]["cells"] == [c.number for c in sweep.cells if (c.arm, c.pairs) == ("local", 300)]


def test_figures_are_files_that_need_nothing_else(
    ablation: Callable[..., Sweep], search: Callable[..., Sweep], with_queries: Callable[..., Any], tmp_path: Path
) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS | {HOSTILE: NUMBERS["local"]}))
    write_report(tmp_path / "ablation", sweep, cells, queries.get)
    write_report(tmp_path / "search", *search([0.1 + 0.02 * (n * 7 % 20) for n in range(20)]))
    found = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.rglob("*.svg")}
    assert set(found) == {"forest.svg", "learning_curves.svg", "importances.svg"}
    for text in found.values():
        ElementTree.fromstring(text)
        assert "var(--" not in text
        assert "currentColor" not in text
        assert "#010203" not in text
        assert "<script" not in text
        assert re.findall(r"https?://[^\"]*", re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)) == []
    assert "local" in found["forest.svg"]
    assert "local" in found["learning_curves.svg"], "a file has its own legend"
    assert "train.learning_rate" in found["importances.svg"]


def test_a_search_of_few_trials_has_no_importances_and_many_are_observational(
    search: Callable[..., Sweep], tmp_path: Path
) -> None:
    few = write_report(tmp_path / "few", *search([0.1, 0.3, 0.2])).page.read_text(encoding="utf-8")
    assert "Importance of keys" not in few
    many = write_report(tmp_path / "many", *search([0.1 + 0.02 * (n * 7 % 12) for n in range(12)]))
    html = many.page.read_text(encoding="utf-8")
    assert "Importance of keys, 12 trials" in html
    assert "Observational" in html
    assert "2 of 12 trials were stopped early" in html
    assert many.statistics == {}


def test_an_old_file_has_a_report_of_what_can_be_read(
    ablation: Callable[..., Sweep], search: Callable[..., Sweep], tmp_path: Path
) -> None:
    (compared, cells), (found, trials) = ablation(NUMBERS), search([0.1, 0.2, 0.15])
    for folder, sweep, records in ((tmp_path / "a", compared, cells), (tmp_path / "s", found, trials)):
        old = sweep.experiment | {"unknown": "of then"}
        for name in ("ablation", "search"):
            old[name] = old[name] and old[name] | {"unknown": 1}
        write_report(folder, sweep.model_copy(update={"experiment": old}), records)
        said = json.loads((folder / "report.json").read_text(encoding="utf-8"))["report"]
        assert "Another version of radsweep" in said["warnings"][0]
        assert "unknown: of then" in said["experiment"], "it is shown as it is"
    assert "19.0 % ± 1.0" in (tmp_path / "a" / "report.md").read_text(encoding="utf-8").replace("\xa0", " ")
    html = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert "recall@10, report to image by train.learning_rate" in html, "searched keys are those that trials changed"


def test_adaptation_stages_have_a_row_and_count_in_the_compute_of_their_arm(
    ablation: Callable[..., Sweep], tmp_path: Path
) -> None:
    sweep, cells = ablation(NUMBERS)
    stage = cells["local-100-0"].model_copy(update={"steps": 900, "seconds": {"training": 68.0}, "pairs": 9123})
    for key in ("local-100-0", "local-100-1", "local-100-2"):
        cells[key] = cells[key].model_copy(update={"stages": {"image": "stagekey"}})
    html = write_report(tmp_path, sweep, cells, stages={"stagekey": stage}).page.read_text(encoding="utf-8")
    assert "stagekey" in html
    assert "9,123" in html
    assert "3.0 ×" in html
    assert "10.0 × its optimiser steps" in html or "10 × its optimiser steps" in html


def test_user_text_is_escaped_everywhere(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    sweep, cells = ablation({"baseline": {300: [0.1]}, HOSTILE: {300: [0.2]}}, name=HOSTILE, notes=(HOSTILE,))
    key = f"{HOSTILE}-300-0"
    cells[key] = cells[key].model_copy(update={"status": "failed", "error": HOSTILE})
    html = write_report(tmp_path, sweep, cells).page.read_text(encoding="utf-8")
    assert html.count("<script") == 1, "the page's own"
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "[red]" in shown(sweep, cells)
    with drawing("x", HOSTILE + '"') as picture:
        picture.axes.set_title(HOSTILE)
    ElementTree.fromstring(picture.svg.replace("xlink:", ""))
    assert "<script" not in picture.svg


def test_many_replicates_are_all_in_the_numbers_and_the_first_twenty_in_the_pictures(
    ablation: Callable[..., Sweep], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    sweep, cells = ablation({"baseline": {300: rng.random(24)}, "local": {300: rng.random(24)}})
    page = write_report(tmp_path, sweep, cells).page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [len(cell["replicates"]["cells"]) for cell in report["report"]["arm_cells"]] == [24, 24]
    assert len(report["curves"]) == 48
    assert page.count("24 of 24 converged; the first 20 are drawn") == 2
    assert "each replicate (the first 20)" in page
    for curve in range(2):
        (panel,) = re.findall(rf'id="curve-{curve}-figure_1".*?</svg>', page, re.DOTALL)
        colour = re.search(r"stroke: (#[0-9a-f]{6}|currentColor); stroke-width: 1.4", panel)
        assert colour is not None
        assert panel.count(f"stroke: {colour[1]}; stroke-width: 1.4") == 20
    few, of_few = ablation({"baseline": {300: rng.random(20)}, "local": {300: rng.random(20)}})
    assert "the first 20" not in write_report(tmp_path, few, of_few).page.read_text(encoding="utf-8")


def test_cells_in_equal_steps_are_named_by_their_ends() -> None:
    assert wording.numbers_listed(range(1, 2000, 20)) == "1, 21, …, 1981"
    assert wording.numbers_listed([*range(11), 12, *range(5, 60, 5)]) == "0, 1, …, 10, 12, 5, 10, …, 55"
    assert wording.numbers_listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert wording.numbers_listed([7]) == "7"
    assert wording.numbers_listed([]) == ""


def test_the_page_refers_to_nothing_outside_itself(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    html = write_report(tmp_path, *ablation(NUMBERS)).page.read_text(encoding="utf-8")
    targets = re.findall(r"""(?:src|href|action|data)\s*=\s*["']([^"']*)""", html) + re.findall(r"url\(([^)]*)\)", html)
    assert targets
    assert [t for t in targets if not t.startswith(("#", "data:,"))] == []
    assert "http" not in re.sub(r"http-equiv", "", html)
    ids = re.findall(r'\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids)), "ids of one picture must not be used by another"


def test_a_value_that_is_not_a_number_is_left_out_and_the_json_stays_valid(
    ablation: Callable[..., Sweep], tmp_path: Path
) -> None:
    sweep, cells = ablation(NUMBERS)
    record = cells["local-300-0"]
    nan = {name: float("nan") for name in record.best}
    look = record.history[0].model_copy(update={"metrics": {"val/text_to_image/recall_at_10": float("nan")}})
    cells["local-300-0"] = record.model_copy(update={"best": nan, "final": {}, "history": (look,)})
    write_report(tmp_path, sweep, cells)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["curves"]["local-300-0"] == [[20, None]]
    assert "n 2 of 3" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_report_of_a_sweep_is_the_same_each_time(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    first = write_report(tmp_path / "a", *ablation(NUMBERS)).page.read_bytes()
    assert write_report(tmp_path / "b", *ablation(NUMBERS)).page.read_bytes() == first


def test_the_terminal_shows_mean_deviation_replicates_and_unconverged_cells(ablation: Callable[..., Sweep]) -> None:
    text = shown(*ablation(NUMBERS, unconverged=[("local", 100, 0)]))
    assert "19.0 % ± 1.0 (3)" in text
    assert "9.4 % ± 0.5 (3)*" in text
    assert "+6.0 points" in text
    assert "chance 2.5 % among 400 candidates" in text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAME = """<iframe src="{page}" style="border:0;width:390px;height:900px"></iframe><p id=result></p>
<script>addEventListener("load", () => {{
  const inside = document.querySelector("iframe").contentWindow, root = inside.document.documentElement;
  document.getElementById("result").textContent = JSON.stringify({{
    width: root.scrollWidth, height: root.scrollHeight, figures: inside.document.querySelectorAll("figure svg").length,
    requests: inside.performance.getEntriesByType("resource").map(entry => entry.name)}});
}});</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("kind", ["ablation", "search"])
def test_a_real_browser_opens_the_page_at_390_pixels_without_errors_requests_or_sideways_scrolling(
    kind: str,
    ablation: Callable[..., Sweep],
    search: Callable[..., Sweep],
    with_queries: Callable[..., Any],
    tmp_path: Path,
) -> None:
    long = "an-arm-with-a-name-of-many-words-that-no-telephone-could-ever-show-on-one-line"
    if kind == "ablation":
        sweep, cells, queries = with_queries(*ablation(NUMBERS | {long: NUMBERS["local"]}, name=long))
        page = write_report(tmp_path / "report", sweep, cells, queries.get).page
    else:
        page = write_report(tmp_path / "report", *search([0.1, 0.3, 0.2])).page
    (tmp_path / "frame.html").write_text(FRAME.format(page=page.as_uri()), encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files", "--enable-logging=stderr"]
    command += ["--window-size=800,1000", "--dump-dom", (tmp_path / "frame.html").as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<p id="result">(.*?)</p>', run.stdout)
    assert found, run.stderr
    seen = json.loads(found[1])
    assert seen["width"] <= 390
    assert seen["height"] > 900
    assert seen["figures"] == (8 if kind == "ablation" else 5)
    assert seen["requests"] == []
    assert "CONSOLE" not in run.stderr
