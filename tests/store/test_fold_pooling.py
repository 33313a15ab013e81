"""Pooled records of the folds of a cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radsweep.evaluation.queries import QueryResults
from radsweep.evaluation.retrieval import summarise_ranks
from radsweep.report.analysis.results import join
from radsweep.store.fold_pooling import fold_keys, pool_folds, pooled_queries
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord, Validation
from radsweep.store.selection import select_best, statistics

SELECT = "val/text_to_image/recall_at_10"
TEST = "test/text_to_image/recall_at_10"
POOL = ("queries", "candidates")


# The records


def fold_record(key: str, queries: int, seed: int, **others: Any) -> tuple[CellRecord, QueryResults]:
    generator = np.random.default_rng(seed)
    ranks = {
        name: generator.integers(1, queries + 1, queries).astype(float) for name in ("text_to_image", "image_to_text")
    }
    beside = np.full(queries, queries - 1.0)
    final = {f"test/{d}/{n}": v for d, r in ranks.items() for n, v in summarise_ranks(r, beside).items()}
    best = {name.replace("test/", "val/"): value / 2 for name, value in final.items()}
    looks = tuple(
        Validation(epoch=n, step=4 * n, seconds=n, metrics={SELECT: n * seed, "train/loss": 1}) for n in (1, 2)
    )
    values: dict[str, Any] = {
        "status": "finished", "trial": {"data": {"fold": seed - 1}}, "pairs": 30 + seed, "subset_sha256": f"sha{seed}",
        "best": best, "best_step": seed, "final": final, "history": looks, "convergence": "converged",
        "steps": 10 * seed,
        "pool": {f"{split}/{of}": n for split, n in (("val", queries + 1), ("test", queries)) for of in POOL},
        "chance": {SELECT: 10 / (queries + 1), TEST: 10 / queries}, "epochs": seed, "notes": ("cut",),
        "seconds": {"training": 2.0, "total": 3.0}, "stages": {"image": f"stage{seed}"},
        "started": f"2026-01-0{seed}", "ended": f"2026-01-1{seed}",
    }  # fmt: skip
    beside_of = dict.fromkeys(ranks, beside)
    ids = tuple(f"{key}{number}" for number in range(queries))
    return CellRecord(key=key, **(values | others)), QueryResults(ids, ids, ranks, beside_of)


def folds(arm: str = "baseline", subset: int = 0, first: int = 0) -> list[PlannedCell]:
    return [
        PlannedCell(key=f"{arm}{subset}{fold}", arm=arm, subset_seed=subset, fold=fold, number=first + fold)
        for fold in range(3)
    ]


SIZES = (20, 21, 22)


def records(cells: list[PlannedCell]) -> tuple[dict[str, CellRecord], dict[str, QueryResults]]:
    made = {cell.key: fold_record(cell.key, SIZES[cell.fold or 0], 1 + (cell.fold or 0)) for cell in cells}
    return {key: pair[0] for key, pair in made.items()}, {key: pair[1] for key, pair in made.items()}


def test_pooled_metrics_are_those_of_all_queries_together() -> None:
    found, queries = records(folds())
    (cell,), pooled = pool_folds(folds(), found, queries.get)
    record = pooled[cell.key]
    together = pooled_queries(queries.get)(cell.key)
    assert together is not None
    assert (cell.fold, cell.number, fold_keys(cell.key)) == (None, 0, [c.key for c in folds()])
    assert len(together.study_ids) == sum(SIZES) == record.pool["test/queries"]
    for direction in ("text_to_image", "image_to_text"):
        ranks = np.concatenate([queries[c.key].ranks[direction] for c in folds()])
        np.testing.assert_array_equal(together.ranks[direction], ranks)
        others = np.repeat(np.array(SIZES) - 1.0, SIZES)
        for name, value in summarise_ranks(ranks, others).items():  # the median rank among them
            assert record.final[f"test/{direction}/{name}"] == pytest.approx(value, abs=1e-12)
            if (shares := together.values(f"{direction}/{name}")) is not None:
                assert shares.mean() == pytest.approx(value, abs=1e-12)
    plain = sum(found[c.key].best[SELECT] * (n + 1) for c, n in zip(folds(), SIZES, strict=True)) / (sum(SIZES) + 3)
    assert record.best[SELECT] == pytest.approx(plain)
    assert record.chance[TEST] == pytest.approx(3 * 10 / sum(SIZES))  # of 63 queries, 20 at 10/20, ...
    assert record.chance[SELECT] == pytest.approx(3 * 10 / (sum(SIZES) + 3))


def test_a_pooled_record_sums_what_the_folds_cost_and_keeps_what_all_have() -> None:
    found, _ = records(folds())
    (cell,), pooled = pool_folds(folds(), found)
    record = pooled[cell.key]
    assert (record.status, record.pairs, record.steps, record.epochs) == ("finished", 31, 60, 6)
    assert record.seconds == {"training": 6.0, "total": 9.0}
    assert record.pool["test/candidates"] == 20
    assert record.converged
    assert record.notes == ("cut",)
    assert record.trial == {"data": {"fold": 0}}
    assert record.stages == {f"image of fold {fold}": f"stage{fold + 1}" for fold in range(3)}
    assert [look.metrics[SELECT] for look in record.history] == [2.0, 4.0]
    assert (record.started, record.ended) == ("2026-01-01", "2026-01-13")
    assert not any(name.endswith("median_rank") for name in (*record.final, *record.best))  # without queries
    for answers, joint in ((("cannot tell",), "cannot tell"), (("cannot tell", "still rising"), "still rising")):
        for fold, answer in zip(folds(), answers, strict=False):
            found[fold.key] = found[fold.key].model_copy(update={"convergence": answer})
        assert pool_folds(folds(), found)[1][cell.key].convergence == joint


def test_subsets_of_pooled_records_are_equal_if_those_of_every_fold_are() -> None:
    planned = folds() + folds("local", first=3)
    found, _ = records(planned)
    cells, pooled = pool_folds(planned, found)
    first, second = (pooled[cell.key].subset_sha256 for cell in cells)
    assert first == second
    found[planned[-1].key] = found[planned[-1].key].model_copy(update={"subset_sha256": "other"})
    assert pool_folds(planned, found)[1][cells[1].key].subset_sha256 != first


def test_a_replicate_without_every_fold_is_missing_and_one_with_a_failed_fold_counts_as_failed() -> None:
    planned = folds()
    found, queries = records(planned)
    key = pool_folds(planned, found)[0][0].key
    without = {name: record for name, record in found.items() if name != planned[2].key}
    assert key not in pool_folds(planned, without)[1]
    assert pooled_queries({name: queries[name] for name in without}.get)(key) is None
    failed = CellRecord(key=planned[1].key, trial={}, status="failed", error="the loss is not a number")
    record = pool_folds(planned, without | {failed.key: failed})[1][key]
    assert (record.status, record.error) == ("failed", "fold 1: the loss is not a number")
    stopped = found[planned[1].key].model_copy(update={"status": "stopped"})
    assert pool_folds(planned, found | {stopped.key: stopped})[1][key].status == "stopped"


def test_cells_without_folds_are_unchanged() -> None:
    cells = [PlannedCell(key="a", arm="x"), PlannedCell(key="b", arm="x", number=1)]
    found = {"a": CellRecord(key="a", trial={}, status="finished")}
    assert pool_folds(cells, found) == (cells, found)
    _, queries = fold_record("a", 5, 1)
    assert pooled_queries({"a": queries}.get)("a") is queries


def sweep(cells: list[PlannedCell]) -> SweepRecord:
    return SweepRecord(
        id="x", name="x", kind="ablation", experiment={}, select=SELECT, cells=tuple(cells), baseline="baseline"
    )


def test_report_statistics_and_winner_have_one_result_per_replicate() -> None:
    planned = folds() + folds(subset=1, first=3)
    found, _ = records(planned)
    better = planned[4].key  # the best fold of the second replicate, whose other folds equal those of the first one
    best = dict.fromkeys(found[better].best, 1.0)
    found[better] = found[better].model_copy(update={"best": best, "pairs": 1000})
    results = join(sweep(planned), found)
    assert [result.status for result in results.all] == ["finished", "finished"]
    assert [result.replicate for result in results.all] == [(0, 0), (1, 0)]
    assert results.metric == TEST
    (note,) = results.sweep.notes
    assert note.startswith("3-fold cross-validation")
    assert "ranked among the 20 to 22 candidates of its own fold" in note
    values = [result.value(TEST) for result in results.all]
    assert statistics(sweep(planned), found)[f"arm/baseline/31/{TEST}/mean"] == pytest.approx(np.mean(values))
    chosen = select_best(sweep(planned), planned, found)
    assert chosen.recommended is not None
    assert fold_keys(chosen.recommended.key) == [cell.key for cell in planned[:3]], (
        "the first replicate, its folds pooled"
    )
