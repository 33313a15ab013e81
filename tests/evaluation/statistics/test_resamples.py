from __future__ import annotations

import numpy as np
import pytest

from radsweep.evaluation.statistics import PatientResamples
from radsweep.evaluation.statistics import resamples as module

PATIENTS = np.array(["b", "a", "b", "c", "d", "d", "d"])


def test_a_resample_is_whole_patients_drawn_with_replacement() -> None:
    resamples = PatientResamples.draw(PATIENTS, count=50, seed=3)
    values = np.random.default_rng(0).normal(size=(2, len(PATIENTS)))
    counts = np.concatenate(list(resamples.counts()))
    assert counts.shape == (50, 4)
    assert (counts.sum(1) == 4).all()
    for drawn, means in zip(counts, resamples.means(values), strict=True):
        times = dict(zip("abcd", drawn.astype(int).tolist(), strict=True))
        queries = np.repeat(np.arange(len(PATIENTS)), [times[patient] for patient in PATIENTS])
        np.testing.assert_allclose(means, values[:, queries].mean(1), rtol=1e-12)


def test_every_use_sees_the_same_resamples_and_each_seed_others() -> None:
    one, again, other = (PatientResamples.draw(PATIENTS, count=20, seed=seed) for seed in (0, 0, 1))
    first, second = list(one.counts()), list(one.counts())
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, list(again.counts()))
    assert not np.array_equal(first, list(other.counts()))


def test_many_patients_come_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELLS_AT_A_TIME", 12)
    chunks = list(PatientResamples.draw(PATIENTS, count=8).counts())
    assert [len(chunk) for chunk in chunks] == [3, 3, 2]
    assert not np.array_equal(chunks[0], chunks[1])


def test_the_bootstrap_agrees_with_the_cluster_variance_of_a_ratio() -> None:
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(150), rng.integers(1, 5, 150))
    values = rng.normal(size=150)[patients] + rng.normal(size=len(patients))
    sums = np.bincount(patients, weights=values - values.mean())
    expected = (sums**2).sum() / len(patients) ** 2
    drawn = PatientResamples.draw(patients, count=8000).means(values[None])[:, 0]
    assert drawn.var() == pytest.approx(expected, rel=0.08)


def test_one_patient_is_an_error_that_says_why() -> None:
    with pytest.raises(ValueError, match=r"3 queries of 1 patients: .* at least 2 patients"):
        PatientResamples.draw(["a", "a", "a"])
