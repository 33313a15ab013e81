"""Pictures that came out nearly black are found, and sound ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from radsweep.data.images.grey_range import LOW_CONTRAST, grey_range

RAMP = np.tile(np.linspace(0, 1, 200), (100, 1))


@pytest.mark.parametrize(("low", "high"), [(0, 15), (240, 255), (120, 130)])
def test_nearly_black_nearly_white_and_nearly_grey_pictures_have_low_contrast(low: int, high: int) -> None:
    grey = np.round(low + RAMP * (high - low)).astype(np.uint8)
    assert grey_range(grey) == pytest.approx(0.98 * (high - low), abs=1)
    assert grey_range(np.dstack([grey] * 3)) == grey_range(grey) < LOW_CONTRAST


def test_one_hot_pixel_makes_a_picture_of_16_bits_nearly_black() -> None:
    wide = np.round(RAMP * 4095).astype(np.uint16)
    assert grey_range(wide) > 240
    wide[50, 50] = 65535
    assert grey_range(wide) < 17
    assert grey_range(np.where(wide == 65535, 0, wide)) > 240


def test_dark_borders_do_not_make_a_picture_one_of_low_contrast() -> None:
    grey = np.zeros((100, 200), np.uint8)
    grey[40:60, 80:120] = np.round(RAMP[:20, :40] * 255 * 5)  # 4 % of the picture
    assert grey_range(grey) > LOW_CONTRAST
