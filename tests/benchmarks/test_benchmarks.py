"""Each benchmark prints one JSON object with the expected keys. The settings are tiny, so the figures mean nothing."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.processes import run_script

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NEEDS_MINUTES = pytest.mark.slow  # over 5 seconds: `make bench-quick` runs these too


Figures = Callable[[str], dict[str, Any]]


@pytest.fixture
def figures_of(tmp_path: Path) -> Figures:
    """`figures_of("step")`: what the benchmark prints, run in a process of its own."""

    def figures(name: str) -> dict[str, Any]:
        ended = run_script(tmp_path, FOLDER / f"{name}.py", "--json", "--quick")
        assert ended.code == 0, ended.err[-2000:]
        return read(ended.out)

    return figures


def read(printed: str) -> dict[str, Any]:
    (line,) = printed.splitlines()
    figures: dict[str, Any] = json.loads(line)
    assert figures["machine"]["cores"] >= 1
    return figures


def test_a_step_is_compared_with_the_same_loss(figures_of: Figures) -> None:
    pytest.importorskip("open_clip")
    figures = figures_of("step")
    assert figures["samples_per_s"] > 0
    assert figures["open_clip_samples_per_s"] > 0
    assert figures["ratio"] > 0
    assert figures["loss_difference"] < 1e-5


@NEEDS_MINUTES
def test_a_sweep_decodes_each_image_once(figures_of: Figures) -> None:
    figures = figures_of("decode_once")
    assert figures["decoded"] == figures["images"] > 0
    assert figures["trials"] == 2
    assert 1 < figures["cost_ratio"] < 2


@NEEDS_MINUTES
def test_input_is_measured_three_ways(
    ray_session: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In this process, which has a Ray."""
    script = FOLDER / "input.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--json", "--quick"])
    monkeypatch.syspath_prepend(FOLDER)
    runpy.run_path(str(script), run_name="__main__")
    figures = read(capfd.readouterr().out)
    for way in ("streaming", "cached", "torch_dataloader"):
        assert figures[f"{way}_images_per_s"] > 0


@NEEDS_MINUTES
def test_a_warm_slot_gets_its_next_trial_faster_than_a_trial_starts(figures_of: Figures) -> None:
    figures = figures_of("slot_overhead")["workers"]
    assert set(figures) == {"1", "2"}
    for measured in figures.values():
        assert 0 < measured["warm_s"] < measured["stock_s"]
        assert measured["ratio"] == pytest.approx(measured["stock_s"] / measured["warm_s"])
        assert {"evaluation_s", "checkpoint_s"} <= set(measured)


@NEEDS_MINUTES
def test_all_sides_of_the_wall_clock_run_the_same_trials(figures_of: Figures) -> None:
    figures = figures_of("sweep_wall_clock")
    assert figures["trials"] == 3
    assert figures["largest_score_difference"] < 0.2
    assert figures["ratio_stock"] == pytest.approx(figures["stock_s"] / figures["ours_s"])
    assert figures["ratio_plain"] == pytest.approx(figures["ours_s"] / figures["plain_torch_s"])
    for side in ("ours", "stock", "plain_torch"):
        assert 0 < figures[f"{side}_startup_s"] < figures[f"{side}_s"]


@NEEDS_MINUTES
def test_a_store_of_finished_cells_is_planned_resumed_and_reported(figures_of: Figures) -> None:
    figures = figures_of("many_cells")
    assert figures["cells"] == 60
    assert figures["mlflow_left"] == 0
    assert 0 < figures["before_mb"] < figures["peak_mb"]
    assert 0 < figures["page_mb"] < 1
    assert all(figures[part] > 0 for part in ("plan_s", "resume_s", "report_s", "mlflow_s", "plan_peak_mb"))


@NEEDS_MINUTES
def test_precomputed_features_of_a_frozen_tower_give_the_same_metric(figures_of: Figures) -> None:
    figures = figures_of("frozen_tower")
    assert figures["metric_difference"] < 0.03  # rounding may move a rank or two
    assert figures["ratio"] == pytest.approx(figures["trial_s"] / figures["frozen_trial_s"])


def test_retrieval_at_scale_reports_time_and_memory(figures_of: Figures) -> None:
    figures = figures_of("retrieval_scale")
    assert figures["queries"] == figures["candidates"] > 0
    assert figures["width"] > 0
    assert figures["seconds"] > 0
    assert 0 < figures["peak_mb"] < 3000
    assert figures["metrics"]["text_to_image_same_text/recall_at_10"] > 0.1  # the signal is found


@NEEDS_MINUTES
def test_packing_is_compared_with_a_plain_pool(figures_of: Figures) -> None:
    figures = figures_of("pack")
    for kind in (figures, figures["png"]):
        assert kind["images"] > 0
        # one run of each side, so that the ratio equals the ratio of the rates
        assert kind["ratio"] == pytest.approx(kind["ours_images_per_s"] / kind["pool_images_per_s"])


@NEEDS_MINUTES
def test_packing_that_was_killed_twice_has_every_pair_once(figures_of: Figures) -> None:
    figures = figures_of("pack_many")
    assert figures["pairs"] == figures["images"]
    first, second = figures["read_at_kills"]
    assert 0 < first < second < figures["images"]
    assert 0 < figures["peak_mb"] < figures["tenth_peak_mb"] + 60


@NEEDS_MINUTES
def test_the_local_loss_equals_the_direct_formula(figures_of: Figures) -> None:
    figures = figures_of("local_loss")
    assert figures["max_abs_difference"] < 1e-5
    for side in ("ours", "direct"):
        assert figures[side]["seconds"] > 0
        assert figures[side]["peak_mb"] > 0


@NEEDS_MINUTES
def test_searches_are_compared_over_recorded_curves(figures_of: Figures) -> None:
    figures = figures_of("pruning")
    assert (figures["seeds"], figures["recorded_trials"]) == (2, 8)
    low, high = figures["compute_ratio_range"]
    assert 0 < low <= figures["compute_ratio"] <= high
    assert max(max(scores) for scores in figures["scores"].values()) <= figures["best_recorded"]


@NEEDS_MINUTES
def test_convergence_is_judged_by_an_oracle(figures_of: Figures) -> None:
    figures = figures_of("convergence")
    cells = figures["cells"].values()
    assert len(cells) == 24
    assert figures["checks"]["wrong"] == {"met": 24, "of": 24}
    assert figures["checks"]["hidden"]["met"] == figures["checks"]["hidden"]["of"] > 0
    assert max(cell["patience_wrong"] for cell in cells) == 1, "the fault of the former rule is seen"
    for row in figures["annealed"].values():
        assert row["converged"] == 0 < row["former"]


def test_real_curves_are_judged_too(tmp_path: Path) -> None:
    """An easy curve in the format of record_curves.py: hits from rank 40 to rank 1, flat from step 800 on."""
    rng, step = np.random.default_rng(0), np.arange(20, 4001, 20)
    level = np.minimum(step / 800, 1)[:, None]
    np.savez(tmp_path / "easy.npz", step=step, rank=np.where(rng.random((200, 400)) < level / 2, 1, 40), warmup=40)
    sys.path.insert(0, str(FOLDER))
    try:
        (row,) = runpy.run_path(str(FOLDER / "convergence.py"))["recorded"](tmp_path)
    finally:
        sys.path.remove(str(FOLDER))
    assert row["answer"] == "converged"
    assert 800 < row["said"] < 3400
    assert abs(row.get("said_further_gain", 0.0)) < 0.03
