from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from radsweep.report.analysis.results import join
from radsweep.report.render.write import write_report
from radsweep.report.text.best import best_yaml, how_chosen, selection
from radsweep.report.text.not_ranked import why_nothing
from radsweep.report.text.warnings import warnings
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
    chosen, group = selection(results), results.group("local", 300)
    assert chosen.recommended is not None
    assert (chosen.recommended.arm, chosen.candidate) == ("baseline", None)
    assert group is not None
    assert (group.failed, group.planned) == (3, 5)
    said = (
        "Not ranked: local, because 3 of 5 replicates of local at 300 pairs failed; those that finished may be the "
        "easy ones."
    )
    assert how_chosen(results, chosen).endswith(said)
    assert said in warnings(results)
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
    assert why in warnings(results)


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
