"""The referee of claims is judged: it lets sound claims pass, and finds inference that is broken."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from radsweep.evaluation.statistics.interval_width import Components
from support.processes import run_script

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`part("scoring")`: a module of the referee."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        return importlib.import_module(f"claims_referee.{name}")

    return module


@pytest.fixture
def measure(part: Any) -> Any:
    return importlib.import_module("claims").measure


def test_five_scenarios_are_judged_and_hardly_a_report_is_false(tmp_path: Path) -> None:
    ended = run_script(tmp_path, FOLDER / "claims.py", "--json", "--quick")
    assert ended.code == 0, ended.err[-2000:]
    (line,) = ended.out.splitlines()
    scenarios = json.loads(line)["scenarios"]
    assert len(scenarios) == 5
    false = 0.0
    for name, found in scenarios.items():
        assert found["reports"] == {"null": 4, "planted": 2}, name
        assert found["contradictions"] == found["beyond_bounds"] == 0, name
        false += 4 * found["false"]["per_report"] + 2 * found["false"]["per_report_planted"]
    assert false <= 4  # of 30; at 5 % more have a chance of 2 %


@pytest.mark.parametrize(
    ("factor", "missed"),
    [(0.2, {"false per_report", "coverage joint", "coverage levels"}), (4.0, {"width", "power"})],
    ids=["intervals too narrow", "intervals too wide"],
)
def test_broken_inference_is_found(
    factor: float, missed: set[str], measure: Any, part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Components.half_width
    monkeypatch.setattr(Components, "half_width", lambda self, alpha: factor * sound(self, alpha))
    base = part("scenarios").SCENARIOS["base"]
    found = measure([base], reports=12, first=0, draws=40, folder=tmp_path, jobs=1)
    assert {f"base: {gate}" for gate in missed} <= set(found["missed"])


def test_finished_chunks_are_read_again(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = part("running")
    base = part("scenarios").SCENARIOS["base"]
    first, second = (running.Chunk(base, planted=False, first=start, count=1, draws=20) for start in (0, 1))
    ((_, rows),) = running.rows([first], tmp_path, jobs=1)
    monkeypatch.setattr(running, "report", lambda *arguments: {"number": "new"})
    again = [found for _, found in running.rows([first, second], tmp_path, jobs=1)]
    assert again == [rows, [{"number": "new"}]]


@pytest.mark.parametrize("name", ["base", "folds", "AUROC, 30 positives", "heavily clustered", "recall@1"])
def test_the_truth_is_what_draws_average_to(name: str, part: Any) -> None:
    scenario = part("scenarios").SCENARIOS[name]
    generator = part("running").generator_of(scenario)
    roles = ["baseline", "null", "planted"]
    truth = generator.calibrate(60)
    rng = np.random.default_rng(1)
    mean_NA = np.array([generator.draw(rng, roles, truth, 0).value_SAR.mean(-1)[0] for _ in range(150)])
    true_A = np.array([truth["mean"][role][0][0] for role in roles])
    assert true_A[0] == pytest.approx(true_A[1], abs=1e-6)
    off_A = abs(mean_NA.mean(0) - true_A) / (mean_NA.std(0) / len(mean_NA) ** 0.5)
    assert (off_A < 4).all()


@pytest.fixture
def judged(part: Any) -> Any:
    """`judged(verdict, low, high, arm=...)`: the row of a report with one comparison at 300 pairs.

    Arm 1 is null, arm 2 gains 10 points, and 2 points are the margin.
    """
    reading, scenario = part("reading"), part("scenario").Scenario("made up", arms=3)
    truth = {
        "mean": {"baseline": [[0.2]], "null": [[0.2]], "planted": [[0.3]]},
        "error": {"null": [0.02], "planted": [0.02]},
        "curve": [[300, 301], [0.2, 0.2]],
    }
    judge = part("scoring").Judge(scenario, truth, ["baseline", "null", "planted"], 0)

    def row(verdict: str, low: float, high: float, arm: str = "arm 1", recommended: str = "baseline") -> Any:
        one = reading.Comparison(arm, 300, (low + high) / 2, low, high, compared=1, verdict=verdict)
        return judge.row(reading.Claims("test", (one,), (), (), (recommended, 300), 2.0), arm)

    return row


def test_a_claim_is_false_if_nothing_or_the_opposite_is_true(judged: Any) -> None:
    assert judged("helped", 0.01, 0.1)["false_report"]
    assert judged("hurt", -0.1, -0.01)["false_report"]
    assert judged("hurt", -0.1, -0.01, arm="arm 2")["false_report"]
    assert judged("equivalent", -0.01, 0.01, arm="arm 2")["false_report"]
    assert not judged("helped", 0.05, 0.15, arm="arm 2")["false_report"]
    assert not judged("equivalent", -0.01, 0.01)["false_report"]
    assert not judged("open", -0.1, 0.1)["false_report"]


def test_a_recommendation_is_false_if_the_arm_is_not_better(judged: Any) -> None:
    assert judged("open", -0.1, 0.1, recommended="arm 1")["recommended_false"]
    assert not judged("open", -0.1, 0.1, recommended="arm 2")["recommended_false"]
    assert not judged("open", -0.1, 0.1, recommended="baseline")["recommended_false"]


def test_a_verdict_that_its_own_interval_denies_is_a_contradiction(judged: Any) -> None:
    assert judged("open", 0.01, 0.1)["contradictions"] == 1
    assert judged("helped", -0.01, 0.1)["contradictions"] == 1
    assert judged("open", -0.01, 0.1)["contradictions"] == 0


def test_coverage_width_and_bounds_are_counted(judged: Any) -> None:
    held, missed = judged("open", -0.1, 0.1), judged("open", 0.01, 0.1)
    assert (held["each"], missed["each"]) == ([1, 1], [0, 1])
    assert held["widths"] == [pytest.approx(0.2 / (2 * 1.96 * 0.02), rel=1e-3)]
    assert judged("open", -1.5, 0.1)["beyond"] == 1
