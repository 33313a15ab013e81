"""Stored values of a DICOM picture to the grey levels of a viewer. Everything that decides a grey level is here.

The order is that of DICOM PS3.4 N.2.1: modality LUT or rescale, VOI LUT or window, presentation shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radsweep.data.images.codec import to_8_bit

LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


@dataclass(frozen=True)
class LookupTable:
    """A modality or VOI lookup table. entries: whole values from 0. first: the value that the first entry belongs to.

    Values below and above the table get its first and its last entry (PS3.3 C.11.1.1.1).
    """

    entries: np.ndarray
    first: int

    def __call__(self, values: np.ndarray) -> np.ndarray:
        whole = np.clip(np.nan_to_num(np.round(values)), -(2**53), 2**53).astype(np.int64)
        return self.entries[np.clip(whole - self.first, 0, len(self.entries) - 1)]


@dataclass(frozen=True)
class Window:
    """A VOI window (PS3.3 C.11.2.1.2 and C.11.2.1.3). Values are mapped to 0 .. 1."""

    center: float
    width: float
    function: str = LINEAR

    def __call__(self, values: np.ndarray) -> np.ndarray:
        values = values.astype(np.float64)
        if self.function == SIGMOID:
            with np.errstate(over="ignore"):  # far below the window
                return 1 / (1 + np.exp(-4 * (values - self.center) / self.width))
        center, width = self.center, self.width
        if self.function == LINEAR and width >= 1:  # the formula for whole values
            center, width = center - 0.5, width - 1
        if width == 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0, 1)


@dataclass(frozen=True)
class GreyScale:
    """Everything of a header that decides grey levels.

    Attributes:
        rescale: slope and intercept.
        modality: lookup table that replaces `rescale`, or None.
        voi: lookup table, which counts before `window`, or None.
        window: the first one of the header, or None.
        inverted: low values are bright.
        padding: lowest and highest stored value of the background, or None (PS3.3 C.7.5.1.1.2).
        bits: of a stored value; only counts below 8, so that a mask of 0 and 1 is not black.
    """

    rescale: tuple[float, float] = (1, 0)
    modality: LookupTable | None = None
    voi: LookupTable | None = None
    window: Window | None = None
    inverted: bool = False
    padding: tuple[float, float] | None = None
    bits: int = 8

    def levels(self, stored: np.ndarray) -> np.ndarray:
        """Return uint8 of the same shape. Background is black, and its values do not count for the scale.

        A window or VOI table gives the scale. Without one, whole values between 0 and 65,535 are scaled as by
        `codec.to_8_bit`, and all others from their minimum to their maximum.

        Example:
            >>> GreyScale(window=Window(500, 1000)).levels(np.array([[0, 500, 2000]]))
            array([[  0, 128, 255]], dtype=uint8)
        """
        shown, picture = self._in_modality(stored), self._picture(stored)
        if self.voi:
            levels = _from_zero(self.voi(shown), int(self.voi.entries.max()), 8)
        elif self.window:
            levels = _to_levels(self.window(shown))
        else:
            levels = self._by_range(shown, shown if picture is None else shown[picture])
        if self.inverted:
            levels = 255 - levels
        return levels if picture is None else np.where(picture, levels, np.uint8(0))

    def _in_modality(self, stored: np.ndarray) -> np.ndarray:
        if self.modality:
            return self.modality(stored)
        slope, intercept = self.rescale
        return stored if (slope, intercept) == (1, 0) else stored.astype(np.float64) * slope + intercept

    def _picture(self, stored: np.ndarray) -> np.ndarray | None:
        """Return True for the pixels that are not background, or None if all or none of them are."""
        if self.padding is None:
            return None
        inside = (stored < self.padding[0]) | (stored > self.padding[1])
        return None if inside.all() or not inside.any() else inside

    def _by_range(self, values: np.ndarray, counted: np.ndarray) -> np.ndarray:
        finite = counted[np.isfinite(counted)] if counted.dtype.kind == "f" else counted
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        whole = values.dtype.kind != "f" or np.array_equal(finite, np.round(finite))
        if whole and low >= 0 and high <= 65535:
            untouched = self.modality is None and self.rescale == (1, 0)
            return _from_zero(values, int(high), min(8, self.bits) if untouched else 8)
        with np.errstate(over="ignore", invalid="ignore"):
            return _to_levels((values.astype(np.float64) - low) / ((high - low) or 1))


def _from_zero(values: np.ndarray, highest: int, fewest_bits: int) -> np.ndarray:
    """Scale from 0 .. 2^n - 1, where `highest` needs n bits; n is at least `fewest_bits`."""
    bits = max(fewest_bits, highest.bit_length())
    whole = np.clip(np.nan_to_num(np.round(values)), 0, highest).astype(np.uint16)
    return to_8_bit(whole, bits)


def _to_levels(shares: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(np.nan_to_num(shares), 0, 1)).astype(np.uint8)
