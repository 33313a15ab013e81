"""Positives among the real reports of iu_xray: counts only, no report is ever printed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from radsweep.config.objective import Neighbours
from radsweep.data.loading.index import StudyRow, indexed
from radsweep.data.text.tokenizer import TokenisedReports, load_tokenizer, train_tokenizer
from radsweep.objectives.neighbours import NeighbourBank
from radsweep.objectives.relations import relate
from radsweep.objectives.report_similarity import ReportSimilarity
from radsweep.objectives.views import Rows, Widths

REPORTS = Path(__file__).resolve().parents[3] / "shared/data/iu_xray/indiana_reports.csv"

pytestmark = pytest.mark.skipif(not REPORTS.is_file(), reason="the real reports of shared/data/iu_xray are not here")


def groups(texts: Sequence[str]) -> np.ndarray:
    rows = (StudyRow(f"{number:04}", f"{number}", text, 1, np.empty(0)) for number, text in enumerate(texts))
    return indexed(rows, 0)[0].report_group_S


@cache
def sections(*names: str) -> list[tuple[str, str]]:
    """(Text of these sections, problems) of each study that has any."""
    with REPORTS.open(encoding="utf-8", newline="") as file:
        rows = [(" ".join(row[name] for name in names).strip(), row["Problems"]) for row in csv.DictReader(file)]
    return [row for row in rows if row[0]]


@cache
def studies() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Findings and impression of each study, whether two read the same, and whether one of them only is normal."""
    texts, problems = zip(*sections("findings", "impression"), strict=True)
    group = groups(texts)
    normal = np.array([problem.strip().lower() == "normal" for problem in problems])
    return list(texts), group[:, None] == group, normal[:, None] != normal


def pairs(joined: np.ndarray) -> int:
    return int(np.triu(joined, 1).sum())


def shared_words(reports: TokenisedReports) -> np.ndarray:
    """The part of their different tokens that two reports share, which knows no order and no negation."""
    rows = len(reports.offsets) - 1
    used, column_T = np.unique(reports.tokens_T, return_inverse=True)
    has = np.zeros((rows, len(used)), dtype=np.float32)
    has[np.repeat(np.arange(rows), np.diff(reports.offsets)), column_T] = 1
    both, size = has @ has.T, has.sum(axis=1)
    return both / (size[:, None] + size - both)


def test_similar_reports_join_almost_no_normal_and_abnormal_study() -> None:
    texts, same, mixed = studies()
    assert len(texts) == 3087
    assert (pairs(same), pairs(same & mixed)) == (4678, 103)
    tokenizer = load_tokenizer(train_tokenizer([(str(n), text) for n, text in enumerate(texts)], 8000))
    reports = tokenizer.tokenise(texts)
    sets = (shared_words(reports) >= 0.8) & ~same
    alike = (ReportSimilarity(tokenizer, "english").least(reports) >= 0.8) & ~same
    assert (pairs(sets), pairs(sets & mixed)) == (4063, 1330)
    assert pairs(alike) > 100
    assert pairs(alike & mixed) <= 2, "two reports that differ in a mark or an article"


@cache
def impression_groups() -> np.ndarray:
    return groups([text for text, _ in sections("impression")])


def drawn(size: int, seed: int, known: bool = True) -> tuple[Rows, np.ndarray]:
    """A batch of impressions, each its patient's only study, and their groups.

    Args:
        known: if equal texts are known to be equal.
    """
    group_S = impression_groups()
    study_B = np.random.default_rng(seed).choice(len(group_S), size, replace=False)
    rows, group_B = torch.from_numpy(study_B), torch.from_numpy(group_S[study_B])
    report_B = group_B if known else rows
    return Rows(rows, rows, report_B, report_B[:, None]), group_S[study_B]


def test_every_twin_of_a_batch_is_a_positive() -> None:
    """A third of the rows of a batch of 64 have a word-for-word twin, which was a negative."""
    twins = 0
    for seed in range(100):
        rows, group = drawn(64, seed)
        same = group[:, None] == group
        relations = relate(rows)
        assert relations is not None
        assert np.array_equal(relations.texts_BB[0].numpy() == 1, same)
        assert relate(drawn(64, seed, known=False)[0]) is None
        twins += int((same.sum(axis=1) > 1).sum())
    assert 0.3 < twins / 6400 < 0.45


@pytest.mark.parametrize("known", [True, False])
def test_no_nearest_neighbour_has_the_own_text(known: bool) -> None:
    """More than half of 1,000 studies have a twin, whose equal embedding would be the nearest."""
    rows, group = drawn(1000, 0, known)
    widths = Widths(image=3, text=3, tokens=3, token_embeddings=3, vocabulary=9, dim=32, studies=1000)
    bank = NeighbourBank(Neighbours(weight=1), widths)
    of_text = torch.randn(int(group.max()) + 1, 32, generator=torch.Generator().manual_seed(0))
    text_BD = torch.nn.functional.normalize(of_text[torch.from_numpy(group)], dim=1)
    bank.add(text_BD, rows)
    nearest = bank.nearest(text_BD, rows)
    assert nearest.found_B.all()
    own = float((group[nearest.place_B.numpy()] == group).mean())
    assert own == 0 if known else 0.5 < own < 0.6
