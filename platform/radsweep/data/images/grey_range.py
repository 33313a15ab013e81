"""Find pictures that came out nearly black, nearly white or nearly of one grey."""

from __future__ import annotations

import numpy as np

LOW_CONTRAST = 24  # of 255 grey levels; radiographs have 150 and more
_SAMPLES = 64  # along the shorter side


def grey_range(image: np.ndarray) -> float:
    """Return the grey levels, of 255, between a picture's 1st and 99th percentile, as a model sees them.

    image: [H, W] or [H, W, 3], uint8 or uint16. About 64 x 64 of its pixels are looked at, so that this takes no time.

    Example:
        >>> grey_range(np.full((100, 100), 7, np.uint8))
        0.0
    """
    step = max(1, min(image.shape[:2]) // _SAMPLES)
    sample = image[::step, ::step]
    if sample.ndim == 3:
        sample = sample.mean(axis=2)
    dark, bright = np.percentile(sample, (1, 99))
    bits = 8 if image.dtype == np.uint8 else max(8, int(image.max(initial=0)).bit_length())
    return float(bright - dark) * 255 / (2**bits - 1)
