"""Results of each study of a held-out split, on which intervals, tests and comparisons are based. Ids, never texts.

Shapes: S studies of the pool, each of them a query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from radsweep.filesystem import replacing

QUERIES = "queries.parquet"
_RANK, _OTHERS, _SCORE, _LABEL = "/rank", "/others", "/score", "/label"
_TASK = re.compile(r"(zero_shot|linear_probe/[^/]+)/(.+)")  # a class name may hold slashes, a task's none of its own


def file_name(data_set: str) -> str:
    """Name of the file with results on a further data set; those on the trial's own are in QUERIES."""
    return f"queries-{re.sub(r'[^A-Za-z0-9._-]', '-', data_set)}.parquet"


@dataclass(frozen=True, eq=False)
class QueryResults:
    """One trial on one split, in the order of its studies; every array is [S]."""

    study_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    ranks: Mapping[str, np.ndarray] = field(default_factory=dict)  # text_to_image, ... -> of the best positive
    others: Mapping[str, np.ndarray] = field(default_factory=dict)  # of the same names -> non-positives it is among
    scores: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)  # zero_shot, ... -> class -> score
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)  # class -> 1, 0, or NaN where not known

    def values(self, metric: str) -> np.ndarray | None:
        """Each query's share in a metric that is a mean over queries; None for one that is not, or was not measured.

        Args:
            metric: without its split: `text_to_image/recall_at_10`.
        """
        direction, _, name = metric.rpartition("/")
        rank_S = self.ranks.get(direction)
        if rank_S is None:
            return None
        if name.startswith("recall_at_"):
            return (rank_S <= int(name.removeprefix("recall_at_"))).astype(np.float64)
        if name == "mean_reciprocal_rank":
            return 1 / rank_S
        if name == "mean_rank":
            return rank_S
        if name == "rank_percentile":
            return 1 - (rank_S - 1) / np.maximum(self.others[direction], 1)
        return None


def concatenated(parts: Sequence[QueryResults]) -> QueryResults:
    """One trial's folds after one another: every query keeps its rank among the candidates of its own fold.

    Only ranks that all folds have. No scores of classes: two models' scores are on two scales, and one curve over both
    would measure the scales as well.
    """
    shared = [name for name in parts[0].ranks if all(name in part.ranks for part in parts)]
    return QueryResults(
        study_ids=tuple(study for part in parts for study in part.study_ids),
        patient_ids=tuple(patient for part in parts for patient in part.patient_ids),
        ranks={name: np.concatenate([part.ranks[name] for part in parts]) for name in shared},
        others={name: np.concatenate([part.others[name] for part in parts]) for name in shared},
    )


Queries = Callable[[str], QueryResults | None]  # by key of the cell; None if it is not known


def no_queries(key: str) -> None:
    """Stand-in for sweeps without per-query results."""


def write_queries(path: Path, results: QueryResults) -> None:
    """As Parquet, flat: study_id, patient_id, `text_to_image/rank`, `zero_shot/Edema/score`, `Edema/label`, ..."""
    columns: dict[str, object] = {"study_id": results.study_ids, "patient_id": results.patient_ids}
    columns |= {name + _RANK: rank_S for name, rank_S in results.ranks.items()}
    columns |= {name + _OTHERS: others_S for name, others_S in results.others.items()}
    columns |= {
        f"{task}/{name}{_SCORE}": score_S for task, scores in results.scores.items() for name, score_S in scores.items()
    }
    columns |= {name + _LABEL: label_S for name, label_S in results.labels.items()}
    with replacing(path) as unfinished:
        pq.write_table(pa.table(columns), unfinished, compression="zstd")


def read_queries(path: Path) -> QueryResults | None:
    """Read the file of `write_queries`; None if it does not exist."""
    if not path.is_file():
        return None
    with pq.ParquetFile(path) as file:  # a quarter of the time of `read_table`, which looks for a data set first
        table = file.read(use_threads=False)
    found: dict[str, dict[str, np.ndarray]] = {_RANK: {}, _OTHERS: {}, _LABEL: {}}
    scores: dict[str, dict[str, np.ndarray]] = {}
    for column in table.column_names[2:]:
        name, _, ending = column.rpartition("/")
        values_S = table[column].to_numpy().astype(np.float64)
        if "/" + ending == _SCORE:
            match = _TASK.fullmatch(name)
            assert match, column
            scores.setdefault(match[1], {})[match[2]] = values_S
        else:
            found["/" + ending][name] = values_S
    return QueryResults(
        study_ids=tuple(table["study_id"].to_pylist()),
        patient_ids=tuple(table["patient_id"].to_pylist()),
        ranks=found[_RANK],
        others=found[_OTHERS],
        scores=scores,
        labels=found[_LABEL],
    )
