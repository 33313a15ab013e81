"""The first screen of the report: the answer, the recommendation, and one table that says each finding once."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from radsweep.report.analysis.results import join
from radsweep.report.render.content import content
from radsweep.report.render.html import render_html
from radsweep.report.render.markdown import render_markdown
from radsweep.report.render.write import write_report
from radsweep.store.ledger import Ledger
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
WithQueries = Callable[..., tuple[SweepRecord, dict[str, CellRecord], dict[str, Any]]]
BASE, HELPED, CLOSE = [0.12, 0.14, 0.13], [0.22, 0.24, 0.23], [0.13, 0.16, 0.1325]
FAILED = {"status": "failed", "error": "out of memory", "best": {}, "final": {}, "history": ()}


def page(sweep: SweepRecord, cells: dict[str, CellRecord], queries: dict[str, Any]) -> str:
    return render_html(content(join(sweep, cells, queries.get))).replace("\N{NO-BREAK SPACE}", " ")


def folded_away(html: str) -> str:
    """The page without what is folded away, its styles and its script."""
    html = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"<details.*?</details>", "", html, flags=re.DOTALL)


def row(html: str, arm: str) -> str:
    """The row of an arm, without its details."""
    return re.sub(r"<[^>]*>", " ", folded_away(html).split(f'<span class="name">{arm}</span>')[1].split("</tbody>")[0])


def test_the_page_begins_with_the_answer_the_recommendation_and_the_table(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    html = page(*with_queries(*ablation({"baseline": {300: BASE}, "local": {300: HELPED}})))
    assert re.findall(r'<section id="([\w-]+)">', html)[:3] == ["findings", "advice", "arms"]
    assert '<p class="answer">Of 1 comparison with baseline: local helped at 300 pairs.</p>' in html
    (line,) = re.findall(r'<p class="aside basis">(.*?)</p>', html)
    assert line.startswith("All intervals of the 1 comparison hold together")
    assert "subsets of these 3,000 training studies" in line


def test_each_finding_is_said_once(ablation: Callable[..., Sweep], with_queries: WithQueries) -> None:
    numbers = {"baseline": {100: BASE, 300: BASE}, "local": {100: HELPED, 300: [0.25, 0.26, 0.255]}}
    numbers["weak"] = {300: CLOSE}
    html = page(*with_queries(*ablation(numbers, unconverged=[("weak", 300, 1)])))
    shown = folded_away(html).split('id="measures"')[0]  # of other metrics, which have the same numbers here
    for difference in re.findall(r'<span class="difference">(.*?)</span>', html):
        assert shown.count(difference) == 1
    sentences = re.findall(r"<p>(At [^<]*)<small>", html)
    assert len(sentences) == 3
    for said in (*sentences, "hold together", "training studies may give another answer", "none was tuned"):
        assert html.count(said.strip()) == 1
    assert "had not converged" in row(html, "weak") or "1 still rising" in row(html, "weak")
    assert 'id="warnings"' not in html


def test_nothing_is_green_beside_a_kept_baseline(ablation: Callable[..., Sweep], with_queries: WithQueries) -> None:
    kept = page(*with_queries(*ablation({"baseline": {300: BASE}, "local": {300: CLOSE}})))
    assert "Keep baseline for now" in kept
    assert '<div class="advice">' in kept
    assert '<span class="chip">kept</span>' in kept
    assert "helped" not in folded_away(kept)
    better = page(*with_queries(*ablation({"baseline": {300: BASE}, "local": {300: HELPED}})))
    assert '<div class="advice better">' in better
    assert '<span class="chip helped">recommended</span>' in better


def test_the_table_has_what_each_arm_changes(ablation: Callable[..., Sweep], with_queries: WithQueries) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: BASE}, "local": {300: HELPED}}))
    html = page(sweep, cells, queries)
    assert "objective.local.weight: 0.1" in re.sub(r"\s+", " ", row(html.replace("<wbr>", ""), "local"))
    assert "weight" not in row(html, "baseline")
    markdown = render_markdown(content(join(sweep, cells, queries.get)))
    assert "| local | objective.local.weight: 0.1 |" in markdown


def test_row_11_failures_convergence_and_power_are_in_the_cell_of_their_comparison(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    numbers = {"baseline": {300: BASE}, "broken": {300: HELPED}, "late": {300: HELPED}, "weak": {300: CLOSE}}
    sweep, cells, queries = with_queries(*ablation(numbers, unconverged=[("late", 300, 0)]))
    cells["broken-300-0"] = cells["broken-300-0"].model_copy(update=FAILED)
    html = page(sweep, cells, {key: found for key, found in queries.items() if key != "broken-300-0"})
    assert "cannot be claimed" in row(html, "broken")
    assert "n 2 of 3" in row(html, "broken")
    assert "1 of 3 replicates of broken failed" in row(html, "broken")
    assert "late (replicate 1) had not converged" in row(html, "late")
    assert re.search(r"open .* could have shown \d+\.\d points .*would decide", row(html, "weak"), re.DOTALL)


def test_a_reason_that_the_whole_table_shares_is_given_once(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    two = {"baseline": {300: BASE[:2]}, "local": {300: HELPED[:2]}}
    for numbers, reason in (
        (two | {"weak": {300: CLOSE[:1]}}, ""),
        ({"baseline": {300: BASE[:1]}, "local": {300: HELPED[:1]}, "weak": {300: CLOSE[:1]}}, "one replicate does not"),
    ):
        shown = folded_away(page(*with_queries(*ablation(numbers))))
        assert shown.count(f"Nothing can be claimed: {reason}") == bool(reason)
        assert shown.count("run 3 or more") == (1 if reason else shown.count(">cannot be claimed<"))
    sweep, cells, _ = with_queries(*ablation(two))
    assert folded_away(page(sweep, cells, {})).count("no results of queries were found") == 1


def test_cost_and_the_probability_of_being_best_are_beside_the_gain(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    html = page(*with_queries(*ablation({"baseline": {300: BASE}, "local": {300: HELPED}, "weak": {300: CLOSE}})))
    assert re.search(r"1\.0 × \+1,100 points per CPU hour \d\d %", re.sub(r"\s+", " ", row(html, "local")))
    assert "per CPU hour" not in row(html, "weak"), "the difference may be chance"
    assert "best" not in page(*ablation({"baseline": {300: BASE}, "local": {300: CLOSE}}), {}).split("<thead>")[1][:400]


def test_the_policy_permits_the_one_script_of_the_page(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    html = write_report(tmp_path, *ablation({"baseline": {300: BASE}, "local": {300: CLOSE}})).page.read_text("utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:" in html


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAMES = """<iframe src="{page}" style="width:1280px;height:900px;border:0"></iframe>
<iframe src="{page}" style="width:390px;height:900px;border:0"></iframe><p id=result></p>
<script>addEventListener("load", () => {{
  const [wide, narrow] = [...document.querySelectorAll("iframe")].map(frame => frame.contentWindow.document);
  const names = () => [...wide.querySelectorAll(".arms tbody")].filter(body => body.checkVisibility())
    .map(body => body.querySelector(".name").textContent);
  const end = (root, query) => root.querySelector(query).getBoundingClientRect().bottom;
  const found = {{ends: [end(wide, "#advice"), end(wide, ".arms")], plan: names()}};
  const [sort] = wide.querySelectorAll(".sort"), words = wide.querySelector(".filter input");
  for (const name of ["falling", "rising", "again"]) {{ sort.click(); found[name] = names(); }}
  words.value = "WEIGHT: 0.2";
  words.dispatchEvent(new Event("input"));
  found.named = names();
  words.value = "";
  words.dispatchEvent(new Event("input"));
  wide.querySelector(".filter .hurt").click();
  found.hurt = names();
  const scroll = narrow.querySelector("#arms .scroll");
  found.narrow = {{page: narrow.documentElement.scrollWidth, box: scroll.clientWidth, table: scroll.scrollWidth}};
  document.getElementById("result").textContent = JSON.stringify(found);
}});</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_real_browser_shows_8_arms_and_3_sizes_within_2000_pixels_and_sorts_and_filters_them(
    ablation: Callable[..., Sweep], with_queries: WithQueries, tmp_path: Path
) -> None:
    def by_size(add: float) -> dict[int, list[float]]:
        return {size: [b + add + size / 1e4 for b in BASE] for size in (100, 300, 1000)}

    add = {"baseline": 0.0, "a": 0.1, "b": -0.1, "c": 0.005, "d": 0.12, "e": 0.0125, "f": 0.06, "g": 0.02}
    numbers = {arm: by_size(more) for arm, more in add.items()}
    sweep, cells, queries = with_queries(*ablation(numbers, unconverged=[("a", 300, 0)]))
    written = write_report(tmp_path / "report", sweep, cells, queries.get).page
    (tmp_path / "frames.html").write_text(FRAMES.format(page=written.as_uri()), encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1400,1000"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files", "--enable-logging=stderr"]
    command += ["--dump-dom", (tmp_path / "frames.html").as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    result = re.search(r'<p id="result">(.*?)</p>', run.stdout)
    assert result, run.stderr
    seen = json.loads(result[1])
    assert max(seen["ends"]) < 2000
    assert seen["falling"][:2] == ["baseline", "d"]
    assert seen["rising"][:2] == ["baseline", "b"], "the baseline stays on top"
    assert seen["again"] == seen["plan"] == list(add)
    assert seen["named"] == ["baseline", "b"]
    assert seen["hurt"] == ["baseline", "b"]
    assert seen["narrow"]["page"] <= 390
    assert seen["narrow"]["table"] > seen["narrow"]["box"], "the table scrolls within itself"
    assert "CONSOLE" not in run.stderr


def test_an_earlier_look_is_part_of_its_comparison(ablation: Callable[..., Sweep], with_queries: WithQueries) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: BASE}, "a": {300: HELPED}, "b": {300: CLOSE}}))
    results = dataclasses.replace(join(sweep, cells, queries.get), ledger=Ledger(earlier_looks={("a", 300): 1}))
    said = unescape(render_html(content(results)))
    beside = re.findall(r"p [<=] [\d.]+ after correction for 2 comparisons[^;]*", said)
    assert [text.endswith("and look 2") for text in beside] == [True, False]
