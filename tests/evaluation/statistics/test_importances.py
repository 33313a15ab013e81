from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radsweep.config.search import Dimension
from radsweep.evaluation.statistics import Importances, fanova_importances

SPACE = {
    "rate": Dimension(loguniform=(1e-4, 1e-1)),
    "weight": Dimension(uniform=(0, 2)),
    "crop": Dimension(choice=((0.6, 1.0), (0.9, 1.0))),
    "layers": Dimension(int=(1, 4)),
    "one": Dimension(choice=(5,)),
    "only": Dimension(uniform=(0, 1), only_if="weight > 1"),
}


def trials(count: int = 40) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {
            "rate": float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-1)))),
            "weight": (weight := float(rng.uniform(0, 2))),
            "crop": [[0.6, 1.0], [0.9, 1.0]][rng.integers(2)],
            "layers": int(rng.integers(1, 5)),
            "one": 5,
        }
        | ({"only": 0.5} if weight > 1 else {})
        for _ in range(count)
    ]


def importances(values: list[float], params: list[dict[str, Any]]) -> Importances:
    return fanova_importances(params, values, SPACE, resamples=8)


def test_the_key_that_decides_comes_first_in_the_scale_that_it_was_searched_in() -> None:
    params = trials()
    found = importances([np.log10(p["rate"]) + 0.1 * p["weight"] for p in params], params)
    first = found.keys[0]
    assert (first.key, first.estimate > 0.8) == ("rate", True)
    assert first.low > 0.5
    assert {i.key for i in found.keys} == {"rate", "weight", "crop", "layers"}
    assert set(found.left_out) == {"one", "only"}
    assert sum(i.estimate for i in found.keys) + found.together == pytest.approx(1)
    assert (found.trials, found.resamples) == (40, 8)
    assert found.note.startswith("Observational")
    assert importances([np.log10(p["rate"]) + 0.1 * p["weight"] for p in params], params) == found


def test_a_choice_of_lists_and_a_combination_are_seen() -> None:
    params = trials(60)
    found = importances([float(p["crop"][0] > 0.7) for p in params], params)
    assert found.keys[0].key == "crop"
    crossed = importances([float((p["crop"][0] > 0.7) == (p["weight"] > 1)) for p in params], params)
    assert crossed.together > 0.3


def test_what_leaves_nothing_to_explain_is_an_error() -> None:
    params = trials(12)
    with pytest.raises(ValueError, match="same value"):
        importances([0.5] * 12, params)
    with pytest.raises(ValueError, match="at least 10 trials, found 3"):
        importances([1.0, 2.0, 3.0], params[:3])
    with pytest.raises(ValueError, match="no key varies"):
        fanova_importances(params, list(range(12)), {"one": SPACE["one"]})
