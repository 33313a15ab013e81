"""Random numbers without state: a draw only depends on (seed, sample, epoch, view, purpose).

So a sample gets the same augmentation and dropout whatever the batch, its order, its size and the number of workers.
Integers decide everything, which makes the bits equal on CPU and GPU. Counter k of a sample gives
lowbias32(low + k * (high | 1)), low and high being the halves of the sample's 64-bit key: a Weyl sequence with a step
of the sample's own, as in SplittableRandom (Steele, Lea and Flood 2014), finished by Chris Wellons' hash.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch
from torch import Tensor

_INT64 = 1 << 64


def sample_keys(seed: int, samples_B: Tensor, epoch: int, view: int = 0, purpose: str = "") -> Tensor:
    """int64 [B]: one key a sample, from which its numbers are drawn. `samples_B`: int64, a stable id of each sample."""
    return _mix64(samples_B ^ _hash64(f"{seed}/{epoch}/{view}/{purpose}"))


def subkeys(keys_B: Tensor, purpose: str) -> Tensor:
    """int64 [B]: keys of a stream of their own, independent of that of `keys_B` and of other purposes."""
    return _mix64(keys_B ^ _hash64(purpose))


def uniform(keys_B: Tensor, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """[B, count] in [0, 1), in steps of 2^-24. Column k does not depend on `count`."""
    return ((_hashes(keys_B, count) >> 8) & 0xFFFFFF).to(dtype) * 2.0**-24


def normal(keys_B: Tensor, count: int) -> Tensor:
    """float32 [B, count] of mean 0 and variance 1, of 65,536 equally likely values up to 4.3 deviations."""
    quantiles = _normal_quantiles(keys_B.device)
    return quantiles.index_select(0, _halves(keys_B, count).flatten().to(torch.int32) + 32768).view(-1, count)


def keep_mask(keys_B: Tensor, elements: int, p: float) -> Tensor:
    """bool [B, elements], False with probability `p` (to 2^-16).

    Element e does not depend on `elements`: padding changes nothing.
    """
    dropped = round(p * 65536)
    if dropped == 0:
        return torch.ones(len(keys_B), elements, dtype=torch.bool, device=keys_B.device)
    return _halves(keys_B, elements) > dropped - 32769


def _halves(keys_B: Tensor, count: int) -> Tensor:
    """int16 [B, count], uniform over all values: two from each hash."""
    return _hashes(keys_B, (count + 1) // 2).view(torch.int16)[:, :count]


def _hashes(keys_B: Tensor, count: int) -> Tensor:
    """int32 [B, count], uniform over all values."""
    low_B, high_B = keys_B.contiguous().view(torch.int32).view(-1, 2).unbind(1)
    counter_K = torch.arange(count, dtype=torch.int32, device=keys_B.device)
    x_BK = torch.addcmul(low_B[:, None], (high_B | 1)[:, None], counter_K[None, :])
    x_BK ^= (x_BK >> 16) & 0xFFFF  # the mask makes the arithmetic shift a logical one
    x_BK *= 0x7FEB352D
    x_BK ^= (x_BK >> 15) & 0x1FFFF
    x_BK *= 0x846CA68B - (1 << 32)
    x_BK ^= (x_BK >> 16) & 0xFFFF
    return x_BK


def _mix64(x_B: Tensor) -> Tensor:
    """The finaliser of SplitMix64: a bijection whose every output bit depends on every input bit."""
    x_B = (x_B ^ ((x_B >> 30) & ((1 << 34) - 1))) * (0xBF58476D1CE4E5B9 - _INT64)
    x_B = (x_B ^ ((x_B >> 27) & ((1 << 37) - 1))) * (0x94D049BB133111EB - _INT64)
    return x_B ^ ((x_B >> 31) & ((1 << 33) - 1))


def _hash64(text: str) -> int:
    """A signed 64-bit hash, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


@lru_cache(maxsize=8)
def _normal_quantiles(device: torch.device) -> Tensor:
    """float32 [65536]: the normal distribution at the middle of each of as many equal parts, ascending."""
    middles = (torch.arange(65536, dtype=torch.float64) + 0.5) / 65536
    return torch.special.ndtri(middles).float().to(device)
