"""A sweep's frames hold the numbers of its records and of its report."""

from __future__ import annotations

import html
import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import radsweep as rs
from radsweep.report.render.terminal import terminal_table
from radsweep.store.store import Store

TEST = "test/text_to_image/recall_at_10"


@pytest.fixture
def sweep(prepared: Any) -> rs.Sweep:
    return rs.open_sweep("small", store=prepared.store.root)


def test_a_row_of_trials_is_its_record(sweep: rs.Sweep, prepared: Any) -> None:
    trials = sweep.trials()
    assert trials["key"].tolist() == [cell.key for cell in prepared.sweep.cells]
    for cell, (_, row) in zip(prepared.sweep.cells, trials.iterrows(), strict=True):
        record = prepared.store.read_cell(cell.key)
        assert (row["arm"], row["pairs"], row["subset_seed"]) == (cell.arm, cell.pairs, cell.subset_seed)
        assert (row["status"], row["role"], row["steps"]) == ("finished", "trial", 4)
        assert row["convergence"] == record.convergence == "cannot tell"
        assert row["seconds"] == record.seconds["total"]
        assert {name: row[name] for name in (*record.best, *record.final)} == {**record.best, **record.final}
        assert pd.isna(row["error"])
    assert trials["augment.text.sentences"].dropna().tolist() == ["sample", "sample"]
    assert dict(trials.dtypes.astype(str))[TEST] == "float64"
    assert dict(trials.dtypes.astype(str))["pairs"] == "Int64"
    assert "fold" not in trials


def test_trials_that_failed_or_have_not_run_have_a_row(sweep: rs.Sweep, prepared: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed, *rest, last = prepared.sweep.cells
    references = (last.model_copy(update={"key": "clip", "arm": "public/clip", "reference": True}),)
    tuning = (failed.model_copy(update={"key": "tries", "tuning": 0, "tuned": {"train.warmup": 2}}),)
    store.write_sweep(prepared.sweep.model_copy(update={"references": references, "tuning": tuning}))
    record = prepared.store.read_cell(failed.key)
    store.write_cell(record.model_copy(update={"status": "failed", "error": "it diverged", "final": {}, "best": {}}))
    for cell in rest:
        store.write_cell(prepared.store.read_cell(cell.key))
    trials = rs.open_sweep("small", store=tmp_path).trials()
    assert trials["role"].tolist() == ["tuning", *["trial"] * 4, "reference"]
    assert trials["status"].tolist() == ["missing", "failed", "finished", "finished", "missing", "missing"]
    assert trials["error"].dropna().tolist() == ["it diverged"]
    assert trials["train.warmup"].dropna().tolist() == [2]
    assert trials[TEST].notna().tolist() == [False, False, True, True, False, False]
    assert trials["convergence"].isna().tolist() == [True, False, False, False, True, True]


def test_effects_are_those_of_the_report(sweep: rs.Sweep) -> None:
    effects = sweep.effects()
    report = json.loads(sweep.report().path.with_name("report.json").read_text())["report"]
    cells = {(cell["arm"], cell["size"]): cell for cell in report["arm_cells"]}
    findings = {(finding["arm"], finding["size"]): finding for finding in report["findings"]}
    assert [(row.arm, row.pairs) for row in effects.itertuples()] == [("sentences", 20), ("sentences", 40)]
    for row in effects.to_dict("records"):
        cell = cells[row["arm"], row["pairs"]]
        comparison = cell["comparison"]
        change = comparison["change"]
        assert (row["low"], row["high"], row["p_value"]) == (change["low"], change["high"], change["p"])
        assert (row["difference"], row["p_adjusted"]) == (comparison["difference"], change["p_adjusted"])
        assert row["verdict"] == comparison["verdict"] == findings[row["arm"], row["pairs"]]["verdict"]
        assert row["difference"] == pytest.approx(row["mean"] - row["baseline"])
        assert (row["metric"], row["replicates"], row["why"]) == (TEST, 1, comparison["why"])
        assert not row["converged"]
        if not math.isnan(row["multiplier"]):
            ends = (row["multiplier"], row["multiplier_low"], row["multiplier_high"])
            assert ends == tuple(cell["multiplier"]["found"][name] for name in ("estimate", "low", "high"))
            assert row["multiplier_trusted"] == (not cell["multiplier"]["doubt"])


def test_an_effect_without_an_interval_has_a_reason(sweep: rs.Sweep, prepared: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_sweep(prepared.sweep)
    for cell in prepared.sweep.cells:  # without results of queries
        store.write_cell(prepared.store.read_cell(cell.key))
    effects = rs.open_sweep("small", store=tmp_path).effects()
    assert effects["why"].tolist() == ["it has no interval, because no results of queries were found"] * 2
    assert effects["low"].isna().all()
    assert effects["p_adjusted"].isna().all()
    assert effects["difference"].tolist() == pytest.approx(sweep.effects()["difference"].tolist())


def test_a_sweep_without_arms_has_no_effects(prepared: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    cell = prepared.sweep.cells[0].model_copy(update={"arm": ""})
    store.write_sweep(prepared.sweep.model_copy(update={"kind": "train", "cells": (cell,), "baseline": ""}))
    store.write_cell(prepared.store.read_cell(cell.key))
    effects = rs.open_sweep("small", store=tmp_path).effects()
    assert effects.empty
    assert effects.columns[:4].tolist() == ["arm", "pairs", "metric", "difference"]


def test_a_sweep_prints_its_table_and_a_notebook_shows_it(sweep: rs.Sweep, prepared: Any) -> None:
    told = str(sweep)
    assert told.startswith(f"Sweep {sweep.id}: finished")
    table = terminal_table(prepared.sweep, prepared.store.read_records(prepared.sweep), prepared.store.read_queries)
    assert str(table.title) in told
    assert "sentences" in told
    assert repr(sweep) == told
    assert "sentences" in sweep._repr_html_()


def test_the_report_is_a_path_and_a_page_of_its_own_in_a_notebook(sweep: rs.Sweep) -> None:
    report = sweep.report()
    assert Path(report) == sweep.folder / "report" / "report.html"
    assert os.fspath(report) == str(report) == str(report.path)
    shown = report._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html')
    page = html.unescape(shown.split('srcdoc="', 1)[1].split('" style', 1)[0])
    assert page == report.path.read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert '<link rel="stylesheet' not in page


def test_a_report_is_written_to_a_given_folder_or_if_it_is_missing(
    sweep: rs.Sweep, prepared: Any, tmp_path: Path
) -> None:
    elsewhere = sweep.report(tmp_path / "out")
    assert elsewhere.path == tmp_path / "out" / "report.html"
    assert (tmp_path / "out" / "report.json").exists()
    before = sweep.report().path.stat().st_mtime_ns
    assert sweep.report().path.stat().st_mtime_ns == before, "one that is there is not written again"
    store = Store(tmp_path / "store")
    store.write_sweep(prepared.sweep)
    assert rs.open_sweep("small", store.root).report().path.exists()


def test_a_running_sweep_shows_its_state_and_writes_its_report_again(prepared: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_sweep(prepared.sweep.model_copy(update={"status": "running"}))
    sweep = rs.open_sweep("small", tmp_path)
    assert sweep.status == "cut short", "the process that ran it gives no sign of life"
    first = sweep.report().path.stat().st_mtime_ns
    assert sweep.report().path.stat().st_mtime_ns > first
    with pytest.raises(rs.InputError, match=f"{sweep.id}: no trial has finished yet"):
        _ = sweep.best
    store.write_sweep(prepared.sweep)
    assert sweep.status == "finished"


def test_the_best_is_the_trial_whose_checkpoint_is_in_the_report(sweep: rs.Sweep, prepared: Any) -> None:
    best = sweep.best
    state = json.loads((Path(best) / "state.json").read_text())
    assert state["trial"] == best.settings
    record = prepared.store.read_cell(best.key)
    assert (best.metric, best.value) == (prepared.sweep.select, record.best[prepared.sweep.select])
    assert best.pairs == 40
    assert best.changes == ({} if best.arm == "baseline" else {"augment.text.sentences": "sample"})


def test_a_best_without_its_checkpoint_is_refused_by_name(prepared: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_sweep(prepared.sweep)
    for cell in prepared.sweep.cells:
        store.write_cell(prepared.store.read_cell(cell.key))
    with pytest.raises(rs.InputError, match=f"{store.report_folder(prepared.sweep)}/winner: no checkpoint there"):
        rs.load_model(rs.open_sweep("small", tmp_path))


def test_a_sweep_without_a_complete_size_has_no_best_and_the_error_says_what_is_missing(
    prepared: Any, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    store.write_sweep(prepared.sweep.model_copy(update={"status": "interrupted"}))
    store.write_cell(prepared.store.read_cell(prepared.sweep.cells[-1].key))
    with pytest.raises(rs.InputError, match=r"Nothing is recommended yet: .* Missing: baseline at \d+ pairs \(0 of "):
        _ = rs.open_sweep("small", tmp_path).best


def test_an_unknown_sweep_is_refused_as_on_the_command_line(prepared: Any, tmp_path: Path) -> None:
    with pytest.raises(rs.InputError) as refused:
        rs.open_sweep("other", prepared.store.root)
    assert str(refused.value) == (
        f"no sweep 'other' in the store {prepared.store.root}; the latest are: {prepared.sweep.id}"
    )
