from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.report.analysis.claims import claims
from radsweep.report.analysis.results import join
from radsweep.report.render.write import write_report
from radsweep.report.sections.measure_sections import effects
from radsweep.report.sections.section import Bullets, Caution
from radsweep.report.sections.verdict_sections import what_to_do
from radsweep.report.text.best import best_yaml, how_chosen, selection
from radsweep.report.text.multipliers import multiplier_doubt, trusted
from radsweep.report.text.not_ranked import why_nothing
from radsweep.report.text.recommendation import recommendation
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
BASE = [0.12, 0.14, 0.13, 0.12, 0.14]
CLEAR = [0.18, 0.20, 0.19, 0.18, 0.20]


def failing(cells: dict[str, CellRecord], *keys: str) -> dict[str, CellRecord]:
    failed = {"status": "failed", "error": "out of memory", "best": {}, "final": {}}
    return cells | {key: cells[key].model_copy(update=failed) for key in keys}


def test_an_arm_of_which_3_of_5_replicates_failed_is_not_recommended_and_the_report_says_why(
    ablation: Callable[..., Sweep], tmp_path: Path
) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: CLEAR}})
    cells = failing(cells, *(f"local-300-{r}" for r in range(3)))
    results = join(sweep, cells)
    chosen, progress = selection(results), results.progress["local", 300]
    assert chosen.recommended is not None
    assert (chosen.recommended.arm, chosen.candidate) == ("baseline", None)
    assert (progress.failed, progress.planned) == (3, 5)
    said = (
        "Not ranked: local, because 3 of 5 replicates of local at 300 pairs failed; those that did not may be the "
        "easy ones."
    )
    assert how_chosen(results, chosen).endswith(said)
    advice = recommendation(results)
    assert advice is not None
    assert advice.recipe.endswith(said)
    written = write_report(tmp_path, sweep, cells)
    assert written.selection.recommended == chosen.recommended
    assert not (tmp_path / "candidate.yaml").exists()


def test_a_baseline_that_failed_too_often_leaves_the_report_without_a_recommendation(
    ablation: Callable[..., Sweep],
) -> None:
    sweep, cells = ablation({"baseline": {300: CLEAR}, "local": {300: BASE}})
    results = join(sweep, failing(cells, "baseline-300-0"))
    chosen = selection(results)
    why = why_nothing(results, chosen)
    assert why.startswith("Nothing is recommended: 1 of 5 replicates of baseline at 300 pairs failed, and no arm is")
    assert best_yaml(results, chosen) == ""
    assert what_to_do(results).blocks == (Bullets((why,)),)


def test_a_running_sweep_does_not_recommend_from_one_arm_without_its_baseline(
    ablation: Callable[..., Sweep], tmp_path: Path
) -> None:
    sweep, cells = ablation({"baseline": {100: BASE, 300: BASE}, "local": {100: BASE, 300: CLEAR}}, status="running")
    of_small = {key: cell for key, cell in cells.items() if "-100-" in key}
    started = of_small | {key: cells[key] for key in ("local-300-0", "local-300-1")}
    results = join(sweep, started)
    chosen = selection(results)
    assert chosen.recommended is not None
    assert (chosen.recommended.arm, chosen.recommended.pairs) == ("baseline", 100)
    assert how_chosen(results, chosen).endswith(
        "Not ranked yet: baseline at 300 pairs (0 of 5 replicates ended) and local at 300 pairs (2 of 5 replicates "
        "ended)."
    )
    write_report(tmp_path, sweep, started)
    assert "  pairs: 100\n" in (tmp_path / "best.yaml").read_text()


@pytest.mark.parametrize("size", [100, 300])
def test_without_a_complete_size_nothing_is_recommended_and_the_report_says_what_is_missing(
    ablation: Callable[..., Sweep], tmp_path: Path, size: int
) -> None:
    sweep, cells = ablation({"baseline": {size: BASE}, "local": {size: CLEAR}}, status="running")
    write_report(tmp_path, sweep, cells)
    assert (tmp_path / "best.yaml").exists()
    del cells[f"baseline-{size}-4"]
    written = write_report(tmp_path, sweep, cells)
    assert written.selection.recommended is None
    assert not (tmp_path / "best.yaml").exists()
    assert why_nothing(join(sweep, cells), written.selection) == (
        "Nothing is recommended yet: at no size have baseline and another arm ended all their replicates. Missing: "
        f"baseline at {size} pairs (4 of 5 replicates ended)."
    )
    assert "Nothing is recommended yet" in (tmp_path / "report.md").read_text()


def test_the_verdict_of_an_arm_that_failed_too_often_says_so_though_its_numbers_are_clear(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: BASE}, "local": {300: CLEAR}}))
    (sound,) = claims(join(sweep, cells, queries.get))
    assert sound.verdict == "helped"
    for key, arm in (("local-300-4", "local"), ("baseline-300-4", "baseline")):
        (claim,) = claims(join(sweep, failing(cells, key), queries.get))
        assert claim.verdict == "cannot be claimed"
        assert claim.why == f"1 of 5 replicates of {arm} failed, and those that did not may be the easy ones"


def test_a_multiplier_of_an_arm_that_failed_too_often_is_not_to_be_trusted(
    ablation: Callable[..., Sweep], with_queries: Callable[..., Any]
) -> None:
    numbers = {"baseline": {100: BASE, 300: CLEAR, 1000: [0.3, 0.32, 0.31, 0.3, 0.32]}, "local": {100: CLEAR}}
    sweep, cells, queries = with_queries(*ablation(numbers))
    for key, failed in (("local-100-0", "local at 100"), ("baseline-1000-2", "baseline at 1,000")):
        results = join(sweep, failing(cells, key), queries.get)
        group = results.group("local", 100)
        assert group is not None
        assert not trusted(results, group)
        assert f"not to be trusted, since 1 of 5 replicates of {failed} pairs failed" in multiplier_doubt(
            results, group
        )


def test_effects_of_techniques_say_that_they_rest_on_the_replicates_that_every_arm_has(
    ablation: Callable[..., Sweep],
) -> None:
    sweep, cells = ablation({"baseline": {300: BASE}, "local": {300: CLEAR}})
    assert all(not isinstance(block, Caution) or block.empty for block in effects(join(sweep, cells)).blocks)
    (caution,) = (b for b in effects(join(sweep, failing(cells, "local-300-0"))).blocks if isinstance(b, Caution))
    assert caution.text == (
        "These effects rest on the replicates that every arm has, and too many of local failed: those that did not "
        "may be the easy ones."
    )
