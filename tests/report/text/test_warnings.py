from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.report.analysis.results import join
from radsweep.report.render.write import write_report
from radsweep.report.tables.overview import all_cells
from radsweep.report.text.warnings import warnings
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
NUMBERS = {"baseline": {300: [0.12, 0.14]}, "local": {300: [0.18, 0.20]}}


def changed(cells: dict[str, CellRecord], key: str, **values: Any) -> dict[str, CellRecord]:
    return cells | {key: cells[key].model_copy(update=values)}


def test_a_sound_sweep_has_no_warnings(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    assert warnings(join(sweep, cells)) == []


def test_different_configurations_with_identical_numbers_are_named(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS | {"null": NUMBERS["baseline"]})
    (warning,) = warnings(join(sweep, cells))
    assert warning.startswith("Arms baseline and null gave identical numbers in 2 of 2 cells although")


def test_arms_that_resolve_to_one_configuration_are_named(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS | {"null": NUMBERS["baseline"]})
    shared = tuple(c.model_copy(update={"key": c.key.replace("null", "baseline")}) for c in sweep.cells)
    (warning,) = warnings(join(sweep.model_copy(update={"cells": shared}), cells))
    assert warning == ("Arms baseline and null resolve to the same configuration: they are one arm under two names.")


def test_failed_stopped_missing_and_unconverged_cells_are_named(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS, unconverged=[("local", 300, 1)], status="running")
    cells = changed(cells, "baseline-300-0", status="failed", error="the loss is NaN at step 12")
    cells = changed(cells, "local-300-1", status="stopped")
    del cells["local-300-0"]
    text = "\n".join(warnings(join(sweep, cells)))
    assert "1 of 4 cells have no record yet (the sweep is still running)" in text
    assert "1 cell failed (baseline, 300 pairs, replicate 1): the loss is NaN at step 12" in text
    assert "1 cell was stopped early (local, 300 pairs, replicate 2)" in text
    assert "had not converged" not in text, "the table has it beside each comparison"


def test_a_search_warns_of_trials_that_had_not_converged(search: Callable[..., Sweep]) -> None:
    sweep, cells = search([0.1, 0.2])
    text = "\n".join(warnings(join(sweep, changed(cells, "t0", convergence="still rising"))))
    assert "1 of 2 measured cells had not converged: the validation metric was still rising (trial 0)" in text


def test_cells_without_a_test_number_are_counted_and_say_so(ablation: Callable[..., Sweep], tmp_path: Path) -> None:
    sweep, cells = ablation(NUMBERS)
    cells = changed(cells, "local-300-1", final={})
    results = join(sweep, cells)
    (warning,) = warnings(results)
    assert warning.startswith("1 of 4 cells without a number on the test split (local, 300 pairs, replicate 2): ")
    assert [row[-1] for row in all_cells(results).rows] == ["12.0 %", "14.0 %", "18.0 %", "no number"]
    write_report(tmp_path, sweep, cells)
    said = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "1 without a test number" in said
    write_report(tmp_path, sweep, changed(cells, "local-300-0", final={}))
    assert "| 2 without a test number |" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_failed_cell_and_one_that_is_missing_are_not_counted_as_cells_without_a_test_number(
    ablation: Callable[..., Sweep],
) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12, 0.14]}, "local": {300: [0.18, 0.20]}}, status="running")
    cells = changed(cells, "local-300-1", status="failed", error="the loss is NaN", final={})
    del cells["local-300-0"]
    assert not any("without a number on the test split" in warning for warning in warnings(join(sweep, cells)))


@pytest.mark.parametrize("baseline", ["", "absent"])
def test_a_missing_baseline_is_reported(ablation: Callable[..., Sweep], baseline: str) -> None:
    (warning,) = warnings(join(*ablation(NUMBERS, baseline=baseline)))
    assert "none is compared" in warning


def test_replicates_on_different_studies_are_not_paired(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    cells = {key: r.model_copy(update={"subset_sha256": f"of replicate {key[-1]}"}) for key, r in cells.items()}
    assert warnings(join(sweep, cells)) == []
    (warning,) = warnings(join(sweep, changed(cells, "local-300-0", subset_sha256="another")))
    assert warning.startswith("In 1 of 2 replicates the arms did not train on the same studies")


def test_an_experiment_of_another_version_is_reported(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    older = sweep.model_copy(update={"experiment": sweep.experiment | {"unknown": 1}})
    (warning,) = warnings(join(older, cells))
    assert warning.startswith("Another version of radsweep wrote this sweep's experiment")


def test_fewer_pairs_than_requested_and_mixed_code_are_reported(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    text = "\n".join(warnings(join(sweep, changed(cells, "local-300-0", pairs=240, code="other"))))
    assert "Cells of 300 pairs trained on 240." in text
    assert "2 different code fingerprints" in text


@pytest.mark.parametrize(("candidates", "said"), [(9, "100 % of what"), (15, "67 % of what")])
def test_a_recall_that_chance_reaches_is_said_to_say_nothing(
    ablation: Callable[..., Sweep], candidates: int, said: str
) -> None:
    sweep, cells = ablation(NUMBERS)
    pool = {"val/queries": 400, "val/candidates": 400, "test/queries": candidates, "test/candidates": candidates}
    (warning,) = warnings(join(sweep, {key: r.model_copy(update={"pool": pool}) for key, r in cells.items()}))
    assert warning.startswith(
        f"By test recall@10, report to image, random embeddings reach {said} a perfect model would"
    )
    assert f"among {candidates} candidates: this metric says {'nothing' if candidates < 10 else 'little'}" in warning


def test_validation_pools_may_differ_between_sizes_but_not_within_one(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation({"baseline": {300: [0.12], 1000: [0.2]}, "local": {300: [0.18], 1000: [0.22]}})
    pools = {key: r.pool | {"val/candidates": 100 if r.pairs == 300 else 400} for key, r in cells.items()}
    cells = {key: r.model_copy(update={"pool": pools[key]}) for key, r in cells.items()}
    assert warnings(join(sweep, cells)) == []
    other = changed(cells, "local-300-0", pool=pools["local-300-0"] | {"val/candidates": 50})
    (warning,) = warnings(join(sweep, other))
    assert warning.startswith("The cells of 300 pairs have 2 different validation pools")


def test_a_trials_own_notes_are_counted(ablation: Callable[..., Sweep]) -> None:
    sweep, cells = ablation(NUMBERS)
    for key in ("baseline-300-0", "local-300-0"):
        cells = changed(cells, key, notes=("12 reports were cut at 128 tokens",))
    assert warnings(join(sweep, cells)) == ["12 reports were cut at 128 tokens (2 cells)"]


@pytest.mark.parametrize("status", ["finished", "running", "interrupted"])
def test_public_models_without_numbers_are_counted_and_named(ablation: Callable[..., Sweep], status: str) -> None:
    sweep, cells = ablation(NUMBERS)
    against = {"public_models": ["clip", "biovil", "/somewhere/private/ours"]}
    evaluate = sweep.experiment | {"evaluate": sweep.experiment["evaluate"] | against}
    sweep = sweep.model_copy(update={"experiment": evaluate, "status": status})
    (warning,) = warnings(join(sweep, cells))
    assert warning == (
        "evaluate.public_models asked for 3 public models; 0 were measured, 3 not measured yet (clip, biovil, ours)."
    )
    planned = tuple(PlannedCell(key=name, arm=name, reference=True) for name in ("clip", "biovil", "ours"))
    cells |= {name: cells["baseline-300-0"].model_copy(update={"key": name}) for name in ("clip", "biovil")}
    cells = changed(cells, "biovil", status="failed", error="no such file")
    (warning,) = warnings(join(sweep.model_copy(update={"references": planned[:2]}), cells))
    assert warning == (
        "evaluate.public_models asked for 3 public models; 1 was measured, 1 failed (biovil), "
        "1 not measured yet (ours)."
    )
    cells |= {name: cells["clip"].model_copy(update={"key": name}) for name in ("biovil", "ours")}
    assert warnings(join(sweep.model_copy(update={"references": planned}), cells)) == []
    cells = changed(cells, "clip", notes=("With clip, 369 of 3,087 reports are cut at 77 tokens",))
    (warning,) = warnings(join(sweep.model_copy(update={"references": planned}), cells))
    assert warning == "With clip, 369 of 3,087 reports are cut at 77 tokens (1 cell)"
