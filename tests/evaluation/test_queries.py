from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from radsweep.evaluation.queries import QueryResults, concatenated, read_queries, write_queries
from radsweep.evaluation.retrieval import summarise_ranks

RANK_S = np.array([1.0, 2.5, 11.0, 51.0])
RESULTS = QueryResults(
    study_ids=("a", "b", "c", "d"),
    patient_ids=("p", "p", "q", "r"),
    ranks={"text_to_image": RANK_S},
    others={"text_to_image": np.array([99.0, 99, 98, 98])},
    scores={"zero_shot": {"Edema/left": np.array([0.1, -0.2, 0.3, 0.0])}, "linear_probe/100_percent": {}},
    labels={"Edema/left": np.array([1, 0, np.nan, 0])},
)


def test_what_is_written_is_read_again_with_classes_that_hold_slashes(tmp_path: Path) -> None:
    write_queries(tmp_path / "queries.parquet", RESULTS)
    found = read_queries(tmp_path / "queries.parquet")
    assert found is not None
    assert (found.study_ids, found.patient_ids) == (RESULTS.study_ids, RESULTS.patient_ids)
    np.testing.assert_array_equal(found.ranks["text_to_image"], RANK_S)
    np.testing.assert_array_equal(found.scores["zero_shot"]["Edema/left"], RESULTS.scores["zero_shot"]["Edema/left"])
    np.testing.assert_array_equal(found.labels["Edema/left"], RESULTS.labels["Edema/left"])
    assert read_queries(tmp_path / "none.parquet") is None
    assert list(tmp_path.iterdir()) == [tmp_path / "queries.parquet"]


def test_others_read_the_file_as_one_row_a_study(tmp_path: Path) -> None:
    write_queries(tmp_path / "queries.parquet", RESULTS)
    frame = pd.read_parquet(tmp_path / "queries.parquet")
    assert frame["text_to_image/rank"].tolist() == RANK_S.tolist()
    assert frame["study_id"].tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "name", ["recall_at_1", "recall_at_10", "recall_at_50", "mean_reciprocal_rank", "mean_rank", "rank_percentile"]
)
def test_the_mean_of_each_querys_share_is_the_metric(name: str) -> None:
    values_S = RESULTS.values(f"text_to_image/{name}")
    assert values_S is not None
    whole = summarise_ranks(RANK_S, RESULTS.others["text_to_image"])
    assert values_S.mean() == pytest.approx(whole[name], abs=1e-12)


@pytest.mark.parametrize("metric", ["text_to_image/median_rank", "image_to_text/recall_at_10", "zero_shot/auroc"])
def test_a_metric_that_is_not_a_mean_over_these_queries_has_no_shares(metric: str) -> None:
    assert RESULTS.values(metric) is None


def test_folds_after_one_another_keep_the_ranks_that_all_have_and_no_scores() -> None:
    other = QueryResults(
        study_ids=("e", "f"),
        patient_ids=("s", "t"),
        ranks={"text_to_image": np.array([2.0, 1.0]), "image_to_text": np.array([1.0, 1.0])},
        others={"text_to_image": np.array([1.0, 1.0]), "image_to_text": np.array([1.0, 1.0])},
    )
    found = concatenated([RESULTS, other])
    assert (found.study_ids, found.patient_ids) == (tuple("abcdef"), tuple("ppqrst"))
    assert list(found.ranks) == list(found.others) == ["text_to_image"]
    assert found.ranks["text_to_image"].tolist() == [1.0, 2.5, 11.0, 51.0, 2.0, 1.0]
    assert found.others["text_to_image"].tolist() == [99.0, 99, 98, 98, 1, 1]
    assert (found.scores, found.labels) == ({}, {})
