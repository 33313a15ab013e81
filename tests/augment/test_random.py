from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from radsweep.augment.random import keep_mask, normal, sample_keys, subkeys, uniform

SAMPLES = torch.arange(400)
MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1


def hashes_in_plain_python(key: int, count: int) -> list[int]:
    """The definition in the module's docstring, in Python's own integers."""
    low, step = key & MASK32, (key >> 32 & MASK32) | 1
    result = []
    for counter in range(count):
        x = (low + counter * step) & MASK32
        x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK32
        x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK32
        result.append(x ^ (x >> 16))
    return result


def splitmix64(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


def inverse_splitmix64(y: int) -> int:
    def unshift(value: int, shift: int) -> int:
        result = value
        for _ in range(64 // shift):
            result = value ^ (result >> shift)
        return result

    y = unshift(y, 31) * pow(0x94D049BB133111EB, -1, 1 << 64) & MASK64
    y = unshift(y, 27) * pow(0xBF58476D1CE4E5B9, -1, 1 << 64) & MASK64
    return unshift(y, 30)


def test_draws_equal_a_plain_python_implementation() -> None:
    keys = sample_keys(7, SAMPLES[:5], epoch=2)
    for key, row in zip(keys.tolist(), uniform(keys, 9, torch.float64).tolist(), strict=True):
        assert row == [value / 2**24 for value in (x >> 8 for x in hashes_in_plain_python(key & MASK64, 9))]


def test_keys_are_what_splitmix64_makes_of_the_samples() -> None:
    first, second = (int(key) & MASK64 for key in sample_keys(1, torch.tensor([0, 12345]), epoch=0))
    assert second == splitmix64(inverse_splitmix64(first) ^ 12345)


def test_a_sample_draws_the_same_in_any_batch() -> None:
    keys = sample_keys(0, SAMPLES, epoch=1)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    for draw in (lambda k: uniform(k, 33), lambda k: normal(k, 33), lambda k: keep_mask(k, 33, 0.1)):
        assert torch.equal(draw(keys)[order], draw(keys[order]))
        assert torch.equal(draw(keys)[7:8], draw(keys[7:8]))


def test_more_draws_leave_the_first_ones_as_they_are() -> None:
    keys = sample_keys(0, SAMPLES, epoch=1)
    assert torch.equal(uniform(keys, 40)[:, :7], uniform(keys, 7))
    assert torch.equal(normal(keys, 40)[:, :7], normal(keys, 7))
    assert torch.equal(keep_mask(keys, 40, 0.3)[:, :7], keep_mask(keys, 7, 0.3))


def test_every_argument_of_a_key_matters() -> None:
    calls = [(0, 0, 0, ""), (1, 0, 0, ""), (0, 1, 0, ""), (0, 0, 1, ""), (0, 0, 0, "x"), (11, 1, 0, ""), (1, 11, 0, "")]
    keys = torch.cat([sample_keys(seed, SAMPLES, epoch, view, purpose) for seed, epoch, view, purpose in calls])
    assert len(keys.unique()) == len(calls) * len(SAMPLES)


def test_keys_are_the_same_in_another_process() -> None:
    code = (
        "import torch; from radsweep.augment.random import *; print(int(sample_keys(3, torch.tensor([99]), 4, 1, 'p')))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == int(sample_keys(3, torch.tensor([99]), 4, 1, "p"))


def test_uniform_draws_are_uniform() -> None:
    draws = uniform(sample_keys(0, SAMPLES, 0), 1000).double()
    assert draws.min() >= 0
    assert draws.max() < 1
    cells = torch.histc(draws, bins=100, min=0, max=1)
    chi_squared = ((cells - 4000) ** 2 / 4000).sum()
    assert 50 < chi_squared < 160  # 99 degrees of freedom: within about 4 deviations


def test_normal_draws_have_the_moments_of_a_normal_distribution() -> None:
    draws = normal(sample_keys(0, SAMPLES, 0), 1000).double()
    assert abs(draws.mean()) < 0.008
    assert draws.var() == pytest.approx(1, abs=0.01)
    assert (draws**4).mean() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.93, 1.0])
def test_elements_are_dropped_with_the_probability_asked_for(p: float) -> None:
    kept = keep_mask(sample_keys(0, SAMPLES, 0), 1000, p).double()
    assert kept.mean() == pytest.approx(1 - p, abs=4 * (p * (1 - p) / kept.numel()) ** 0.5 + 1e-5)


@pytest.mark.parametrize("lag", [1, 2, 64, 128])
def test_neighbouring_samples_and_elements_are_independent(lag: int) -> None:
    for keys in (sample_keys(0, SAMPLES, 0), subkeys(sample_keys(0, SAMPLES, 0), "noise")):
        for draws in (uniform(keys, 1000).double() - 0.5, keep_mask(keys, 1000, 0.5).double() - 0.5):
            noise = draws.var() / draws.numel() ** 0.5
            assert abs((draws[lag:] * draws[:-lag]).mean()) < 5 * noise
            assert abs((draws[:, lag:] * draws[:, :-lag]).mean()) < 5 * noise


def test_streams_of_one_sample_are_independent() -> None:
    keys = sample_keys(0, SAMPLES, 0)
    first, second = uniform(keys, 1000), uniform(subkeys(keys, "other"), 1000)
    assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 0.008
