from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radsweep.config.ablation import Ablation
from radsweep.evaluation.queries import QueryResults
from radsweep.report.analysis.evidence import Evidence
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.numbers import effect_numbers, logged, measure_numbers
from radsweep.report.tables.class_measures import further
from radsweep.report.tables.comparisons import effects_table, levels_table, measures_table
from radsweep.store.ledger import Ledger
from radsweep.store.records import CellRecord, SweepRecord

Sweep = tuple[SweepRecord, dict[str, CellRecord]]
NUMBERS = {
    "baseline": {100: [0.06, 0.07, 0.0625], 300: [0.12, 0.14, 0.13]},
    "local": {100: [0.09, 0.10, 0.0925], 300: [0.18, 0.20, 0.19]},
    "weak": {100: [0.06, 0.0725, 0.0575], 300: [0.13, 0.135, 0.14]},
}


WithQueries = Callable[..., tuple[SweepRecord, dict[str, CellRecord], dict[str, QueryResults]]]
Joined = Callable[..., Results]


@pytest.fixture
def joined(with_queries: WithQueries) -> Joined:
    def make(sweep: SweepRecord, cells: dict[str, CellRecord]) -> Results:
        sweep, cells, queries = with_queries(sweep, cells)
        return join(sweep, cells, queries.get)

    return make


def plain_patient_variance(change_Q: np.ndarray, patients: tuple[str, ...]) -> float:
    """Variance of the mean over queries when whole patients vary: the linearised ratio estimator."""
    sums = [
        (sum(c for c, p in zip(change_Q, patients, strict=True) if p == name), patients.count(name))
        for name in set(patients)
    ]
    mean = change_Q.mean()
    return sum((total - mean * n) ** 2 for total, n in sums) / len(change_Q) ** 2


def plain_shared_variance(change_RQ: np.ndarray, patients: tuple[str, ...]) -> float:
    """V_P of the mean over replicates: the variance of their mean, less that of their disagreement about patients."""
    replicates = len(change_RQ)
    of_one = np.mean([plain_patient_variance(change_Q, patients) for change_Q in change_RQ])
    of_mean = plain_patient_variance(change_RQ.mean(0), patients)
    return float((replicates * of_mean - of_one) / (replicates - 1))


def test_differences_are_those_of_the_records_and_intervals_cover_patients_and_seeds(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    found = join(sweep, cells, queries.get).evidence
    change = found.differences["local", 300]
    assert change.estimate == pytest.approx(0.06, abs=1e-12)
    assert (change.seeds, change.patients, change.queries) == (3, 240, 400)
    hits = {k: (q.ranks["text_to_image"] <= 10).astype(float) for k, q in queries.items()}
    change_RQ = np.array([hits[f"local-300-{r}"] - hits[f"baseline-300-{r}"] for r in range(3)])
    patients = queries["local-300-0"].patient_ids
    assert change.patient_variance == pytest.approx(max(plain_shared_variance(change_RQ, patients), 0), rel=0.02)
    whole = plain_patient_variance(change_RQ.mean(0), patients)
    assert change.standard_error**2 >= 0.98 * whole, "what replicates disagree about is not counted twice, nor lost"
    assert change.low < 0.06 - 1.96 * whole**0.5
    level, hits_RQ = found.levels["local", 300], np.array([hits[f"local-300-{r}"] for r in range(3)])
    assert level.low < 0.19 < level.high
    assert level.patient_variance == pytest.approx(plain_shared_variance(hits_RQ, patients), rel=0.02)


def test_intervals_hold_together_over_every_comparison_of_the_plan(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    found = join(sweep, cells, queries.get).evidence
    assert {d.correction.comparisons for d in found.differences.values()} == {4}
    for change in found.differences.values():
        assert change.p_adjusted == pytest.approx(min(1, 4 * change.p / 0.95)), "some is kept for later looks"
        assert change.clear == (change.p_adjusted < 0.05)
    only = {key: cell for key, cell in cells.items() if "weak" not in key}
    under_way = join(sweep, only, queries.get).evidence.differences["local", 300]
    assert under_way.correction.comparisons == 4, "intervals do not widen as a sweep goes on"


def test_each_earlier_look_at_fewer_replicates_widens_an_interval(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    results = join(sweep, cells, queries.get)
    again = dataclasses.replace(results, ledger=Ledger({("local", 300): 2}))
    first, third = (r.evidence.differences["local", 300] for r in (results, again))
    assert third.correction.look == 3
    assert third.low < first.low < first.high < third.high
    assert again.evidence.differences["weak", 300] == results.evidence.differences["weak", 300]


def test_queries_are_aligned_by_study(ablation: Callable[..., Sweep], with_queries: WithQueries) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    before = join(sweep, cells, queries.get).evidence
    order = np.random.default_rng(1).permutation(400)
    old = queries["local-300-1"]
    queries["local-300-1"] = QueryResults(
        tuple(old.study_ids[i] for i in order),
        tuple(old.patient_ids[i] for i in order),
        {name: rank_Q[order] for name, rank_Q in old.ranks.items()},
        old.others,
    )
    assert join(sweep, cells, queries.get).evidence == before


def test_an_arm_that_lacks_a_replicate_is_compared_over_those_that_both_have(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    numbers = {"baseline": {300: [0.12, 0.14, 0.30]}, "local": {300: [0.18, 0.20]}, "weak": {300: [0.13, 0.14, 0.15]}}
    found = joined(*ablation(numbers)).evidence
    assert found.differences["local", 300].estimate == pytest.approx(0.06, abs=1e-12)
    assert found.differences["local", 300].seeds == 2
    assert found.differences["weak", 300].seeds == 3


def test_one_replicate_has_an_interval_of_only_patients(ablation: Callable[..., Sweep], joined: Joined) -> None:
    found = joined(*ablation({"baseline": {300: [0.12]}, "local": {300: [0.18]}})).evidence
    change = found.differences["local", 300]
    assert (change.seed_variance, change.seed_degrees) == (None, None)
    assert change.standard_error**2 == pytest.approx(change.patient_variance)


def test_starts_on_one_subset_are_averaged_before_seeds_are_counted(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    numbers = {"baseline": {300: [0.12, 0.14, 0.13, 0.15]}, "local": {300: [0.18, 0.20, 0.19, 0.22]}}
    sweep, cells, queries = with_queries(*ablation(numbers))

    def seeds(subsets: list[int]) -> tuple[int, tuple[str, ...]]:
        planned = tuple(
            c.model_copy(update={"subset_seed": subsets[int(c.key[-1])], "init_seed": int(c.key[-1])})
            for c in sweep.cells
        )
        found = join(sweep.model_copy(update={"cells": planned}), cells, queries.get).evidence
        return found.differences["local", 300].seeds, found.notes

    assert seeds([0, 0, 1, 1]) == (2, ())
    assert seeds([0, 1, 2, 3]) == (4, ())
    assert seeds([0, 0, 1, 2])[0] == 3
    assert "leave out 1 run" in seeds([0, 0, 1, 2])[1][0]
    assert seeds([0, 0, 0, 0])[0] == 4
    assert "do not cover other subsets" in seeds([0, 0, 0, 0])[1][0]


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        ("none", "no results of queries were found"),
        ("arm", "no run of local has the results of its queries"),
        ("numbers", "do not add up to the recorded metric"),
        ("studies", "a run of local ran on other test studies"),
        ("validation", "numbers of the validation split"),
        ("one patient", "at least 2 patients"),
    ],
)
def test_a_metric_that_cannot_be_estimated_has_a_reason(
    break_it: str, reason: str, ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: [0.12, 0.14]}, "local": {300: [0.18, 0.2]}}))
    key = "local-300-1"
    if break_it == "none":
        queries.clear()
    if break_it == "arm":
        queries = {k: q for k, q in queries.items() if not k.startswith("local")}
    if break_it == "numbers":
        final = {name: value + 0.01 for name, value in cells[key].final.items()}
        cells[key] = cells[key].model_copy(update={"final": final})
    if break_it == "studies":
        queries[key] = dataclasses.replace(queries[key], study_ids=tuple(f"x{n}" for n in range(400)))
    if break_it == "validation":
        cells = {k: cell.model_copy(update={"final": {}}) for k, cell in cells.items()}
    if break_it == "one patient":
        queries = {k: dataclasses.replace(q, patient_ids=("p",) * 400) for k, q in queries.items()}
    found = join(sweep, cells, queries.get).evidence
    assert not found.differences
    assert reason in found.why_not(("local", 300), ("baseline", 300))


def test_a_median_is_not_a_mean_over_queries(ablation: Callable[..., Sweep], with_queries: WithQueries) -> None:
    sweep, cells, queries = with_queries(*ablation(NUMBERS, select="val/text_to_image/median_rank"))
    assert "the median rank is not a mean over queries" in join(sweep, cells, queries.get).evidence.gap


def labelled(
    with_queries: WithQueries, sweep: SweepRecord, cells: dict[str, CellRecord], rare: bool = False
) -> tuple[Results, dict[str, QueryResults]]:
    """Scores of two classes, one label in ten unknown; the records hold the values of scikit-learn.

    Args:
        rare: a third class, of the two studies of one patient.
    """
    sweep, cells, queries = with_queries(sweep, cells)
    rng = np.random.default_rng(3)
    labels = {
        name: np.where(rng.random(400) < 0.1, np.nan, rng.random(400) < share).astype(float)
        for name, share in {"Edema": 0.3, "Effusion/left": 0.15}.items()
    }
    if rare:
        labels["Hernia"] = (np.arange(400) < 2).astype(float)
    for key, found in queries.items():
        gain = 1.0 if key.startswith("local") else 0.5
        scores = {n: gain * np.nan_to_num(of, nan=0.5) + rng.normal(size=400) for n, of in labels.items()}
        queries[key] = dataclasses.replace(found, scores={"zero_shot": scores}, labels=labels)
        known = {name: np.isfinite(of) for name, of in labels.items()}
        areas = {f"{n}/auroc": roc_auc_score(labels[n][known[n]], scores[n][known[n]]) for n in labels}
        areas["auroc"] = float(np.mean(list(areas.values())))
        final = cells[key].final | {f"test/zero_shot/{name}": float(value) for name, value in areas.items()}
        cells[key] = cells[key].model_copy(update={"final": final})
    return join(sweep, cells, queries.get), queries


@pytest.mark.parametrize("name", ["auroc", "Edema/auroc", "Effusion/left/auroc"])
def test_auroc_is_estimated_as_recorded_macro_and_by_class(
    name: str, ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    results, _ = labelled(with_queries, *ablation(NUMBERS))
    metric = f"test/zero_shot/{name}"
    found = results.evidence_of(metric)
    group = results.group("local", 300)
    assert group is not None
    spread = group.spread(metric)
    assert spread is not None
    assert found.levels["local", 300].estimate == pytest.approx(spread.mean, abs=1e-9)
    assert found.differences["local", 300].p < 0.05
    assert found.gap == ""
    assert not found.gaps


def test_a_class_of_one_patient_is_left_out_of_the_macro_interval_and_named(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    results, queries = labelled(with_queries, *ablation(NUMBERS), rare=True)
    found = results.evidence_of("test/zero_shot/auroc")
    assert found.left_out == ("Hernia",)
    areas = []
    for replicate in range(3):
        q = queries[f"local-300-{replicate}"]
        for name in ("Edema", "Effusion/left"):
            known = np.isfinite(q.labels[name])
            areas.append(roc_auc_score(q.labels[name][known], q.scores["zero_shot"][name][known]))
    assert found.levels["local", 300].estimate == pytest.approx(np.mean(areas), abs=1e-9)
    assert found.differences["local", 300].p < 0.05
    assert {row[2] for row in measures_table(results).rows if "AUROC" in row[2]} == {
        "test AUROC, zero shot without Hernia"
    }
    assert all(row["left_out"] == ("Hernia",) for row in measure_numbers(results) if row["metric"].endswith("auroc"))
    (why, *others) = {row[6] for row in further(results).rows if row[0] == "test AUROC, zero shot"}
    assert "too few patients have Hernia" in why
    assert not others
    assert "at least 2 patients have" in results.evidence_of("test/zero_shot/Hernia/auroc").gap


@pytest.mark.parametrize("metric", ["mean_reciprocal_rank", "rank_percentile", "mean_rank"])
def test_intervals_stay_within_the_bounds_of_the_metric(
    metric: str, ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    """One query differs from all others, of 400 candidates."""
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: [0.12, 0.14]}, "local": {300: [0.18, 0.2]}}))
    for key, found in queries.items():
        rank_Q = np.full(400, 399.0 if metric == "mean_reciprocal_rank" else 1.0)
        rank_Q[int(key[-1])] = 1 if metric == "mean_reciprocal_rank" else 400
        queries[key] = dataclasses.replace(found, ranks={"text_to_image": rank_Q})
        values = queries[key].values(f"text_to_image/{metric}")
        assert values is not None
        final = cells[key].final | {f"test/text_to_image/{metric}": float(values.mean())}
        cells[key] = cells[key].model_copy(update={"final": final})
    found = join(sweep, cells, queries.get).evidence_of(f"test/text_to_image/{metric}")
    low, high = (1, 400) if metric == "mean_rank" else (0, 1)
    for level in found.levels.values():
        assert low <= level.low < level.estimate < level.high <= high
    change = found.differences["local", 300]
    assert low - high <= change.low <= change.estimate <= change.high <= high - low
    if metric == "mean_rank":
        assert change.parts.span == 399


def test_a_rank_of_no_variation_is_unknown_by_the_number_of_candidates(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    sweep, cells, queries = with_queries(*ablation({"baseline": {300: [0.12] * 3}, "local": {300: [0.18] * 3}}))
    for key, found in queries.items():
        queries[key] = dataclasses.replace(found, ranks={"text_to_image": np.ones(400)})
        final = cells[key].final | {"test/text_to_image/mean_rank": 1.0}
        cells[key] = cells[key].model_copy(update={"final": final})
    level = join(sweep, cells, queries.get).evidence_of("test/text_to_image/mean_rank").levels["local", 300]
    effective = 400**2 / (160 * 4 + 80)
    assert (level.low, level.high) == (1, pytest.approx(1 + 399 * (1 - 0.025 ** (1 / effective))))


def test_the_multiplier_is_bracketed_by_the_sizes_of_the_baseline(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    numbers = {
        "baseline": {100: [0.05, 0.055, 0.05], 300: [0.2, 0.205, 0.2], 1000: [0.4, 0.4, 0.405]},
        "local": {100: [0.3, 0.305, 0.3], 300: [0.2975, 0.3, 0.3], 1000: [0.7, 0.7, 0.705]},
    }
    found = joined(*ablation(numbers)).evidence.multipliers
    assert (found["local", 100].low, found["local", 100].high) == (3, 10)
    assert found["local", 100].estimate == pytest.approx((300 * 1000) ** 0.5 / 100, rel=0.05)
    assert (found["local", 300].low, found["local", 300].high) == (1, pytest.approx(1000 / 300))
    assert (found["local", 1000].low, found["local", 1000].high, found["local", 1000].estimate) == (1, None, None)
    assert not joined(*ablation({"baseline": {100: [0.1]}, "local": {100: [0.2]}})).evidence.multipliers


def test_row_6_a_baseline_that_falls_with_size_has_a_reason_in_place_of_multipliers(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    falling = {100: [0.10] * 3, 300: [0.26] * 3, 1000: [0.16] * 3}
    found = joined(*ablation({"baseline": falling, "local": {300: [0.4] * 3}})).evidence
    assert not found.multipliers
    assert found.no_multipliers == "the mean of baseline does not rise from each number of pairs to the next"


def test_row_6_sizes_far_apart_bracket_a_multiplier_without_an_estimate(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    numbers = {"baseline": {100: [0.10] * 3, 1000: [0.30] * 3}, "local": {100: [0.2] * 3, 1000: [0.5] * 3}}
    found = joined(*ablation(numbers)).evidence.multipliers["local", 100]
    assert (found.low, found.high, found.estimate) == (1, 10, None)


def test_effects_of_a_factorial_design_are_found_by_what_each_arm_changes(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    numbers = {"baseline": [0.10, 0.11, 0.10], "a": [0.15, 0.16, 0.15], "b": [0.12, 0.13, 0.12], "a + b": [0.22] * 3}
    sweep, cells = ablation({arm: {300: values} for arm, values in numbers.items()})
    parts = {"a": {"objective.local.weight": 1.0}, "b": {"objective.text_ssl.weight": 1.0}}
    changes = {"baseline": {}, "a": parts["a"], "b": parts["b"], "a + b": parts["a"] | parts["b"]}
    planned = tuple(c.model_copy(update={"changes": changes[c.arm]}) for c in sweep.cells)
    design = sweep.experiment | {"ablation": {"arms": {"none": {}, **parts}, "design": "factorial"}}
    results = joined(sweep.model_copy(update={"cells": planned, "experiment": design}), cells)
    effects = {e.factors: e.difference.estimate for e in results.evidence.effects[300]}
    means = {arm: np.mean([round(400 * v) / 400 for v in values]) for arm, values in numbers.items()}
    on, off = means["a"] + means["a + b"], means["baseline"] + means["b"]
    assert effects["a",] == pytest.approx((on - off) / 2)
    assert effects["a", "b"] == pytest.approx(means["a + b"] - means["a"] - means["b"] + means["baseline"])
    rows = {row[0]: row for row in effects_table(results).rows}
    assert rows["a × b"][2].startswith(f"{100 * effects['a', 'b']:+.1f} [")
    assert rows["a"][4] == "averaged"
    plain = {tuple(e["factors"]): e for e in effect_numbers(results)}
    assert plain["a",]["difference"]["estimate"] == effects["a",]
    assert {e.difference.correction.comparisons for e in results.evidence.effects[300]} == {3}
    assert plain["a",]["difference"]["p_adjusted"] >= plain["a",]["difference"]["p"]


def test_effects_of_a_fractional_design_name_their_confounded_effects(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    parts = {
        "a": {"objective.local.weight": 1.0},
        "b": {"objective.text_ssl.weight": 1.0},
        "c": {"objective.neighbours.weight": 1.0},
        "d": {"augment.text.swap": 0.1},
    }
    designed = Ablation(arms=parts, design="fractional").designed_arms()
    numbers = {arm: {300: [0.10 + 0.02 * n + 0.01 * r for r in range(3)]} for n, arm in enumerate(designed)}
    sweep, cells = ablation(numbers)
    planned = tuple(c.model_copy(update={"changes": designed[c.arm]}) for c in sweep.cells)
    design = sweep.experiment | {"ablation": {"arms": parts, "design": "fractional"}}
    table = effects_table(joined(sweep.model_copy(update={"cells": planned, "experiment": design}), cells))
    also = table.head.index("confounded with")
    assert {row[0]: row[also].lstrip("−") for row in table.rows} == {
        **dict.fromkeys("abcd", "interactions of 3 or more"),
        "a × b": "c × d",
        "a × c": "b × d",
        "a × d": "b × c",
    }
    on = [np.mean(v[300]) for arm, v in numbers.items() if "a" in arm.split(" + ")]
    off = [np.mean(v[300]) for arm, v in numbers.items() if "a" not in arm.split(" + ")]
    shown = float(table.rows[0][2].split(" ")[0].replace("−", "-"))
    assert shown == pytest.approx(100 * (np.mean(on) - np.mean(off)), abs=0.3)  # hits of 400 queries are whole


def test_levels_are_in_order_and_include_the_base(ablation: Callable[..., Sweep], joined: Joined) -> None:
    arms = {"baseline": 0.2, "objective.local.weight=1": 0.3, "objective.local.weight=0.5": 0.25}
    sweep, cells = ablation({arm: {300: [value, value + 0.01]} for arm, value in arms.items()})
    levels = {"objective.local.weight": [1, 0.5]}
    design = sweep.experiment | {"ablation": {"levels": levels, "design": "one-at-a-time"}}
    table = levels_table(joined(sweep.model_copy(update={"experiment": design}), cells))
    assert [row[:3] for row in table.rows] == [
        ("objective.local.weight", level, "300") for level in ("0 (base)", "0.5", "1")
    ]
    assert [row[3][:4] for row in table.rows] == ["20.5", "25.5", "30.5"]
    assert table.rows[0][4] == "–"
    assert table.rows[2][4].startswith("+10.0 [")


def test_a_search_has_no_evidence_of_differences(search: Callable[..., Sweep]) -> None:
    assert join(*search([0.1, 0.2])).evidence == Evidence("val/text_to_image/recall_at_10", gap="nothing is compared")


ENDS = ("", "_low", "_high", "_trusted")


def test_a_multiplier_is_logged_by_its_measured_ends_if_the_report_states_it(
    ablation: Callable[..., Sweep], with_queries: WithQueries
) -> None:
    numbers = {
        "baseline": {100: [0.08, 0.09, 0.085], 300: [0.14, 0.15, 0.145], 1000: [0.25, 0.26, 0.255]},
        "local": {100: [0.12, 0.13, 0.125], 300: [0.40, 0.41, 0.405], 1000: [0.50, 0.51, 0.505]},
    }
    sweep, cells, queries = with_queries(*ablation(numbers, unconverged=[("local", 300, 0)]))
    results = join(sweep, cells, queries.get)
    found = logged(results)
    said = {
        size: {end: found.get(f"arm/local/{size}/test/text_to_image/recall_at_10/multiplier{end}") for end in ENDS}
        for size in numbers["local"]
    }
    assert said[1000] == dict.fromkeys(ENDS), "better than the largest baseline: more than once the pairs, no news"
    assert said[300] == {"": None, "_low": pytest.approx(1000 / 300), "_high": None, "_trusted": 0.0}
    of_100 = results.evidence.multipliers["local", 100]
    assert said[100] == {"": of_100.estimate, "_low": of_100.low, "_high": of_100.high, "_trusted": 1.0}
    assert not [name for name in found if name.endswith(("_beyond", "p_holm"))]


def test_a_difference_is_logged_with_its_interval_and_adjusted_p(
    ablation: Callable[..., Sweep], joined: Joined
) -> None:
    results = joined(*ablation(NUMBERS))
    change, found = results.evidence.differences["local", 300], logged(results)
    name = "arm/local/300/test/text_to_image/recall_at_10"
    assert [found[f"{name}/{end}"] for end in ("difference", "difference_low", "difference_high", "p_adjusted")] == [
        change.estimate,
        change.low,
        change.high,
        change.p_adjusted,
    ]
    assert f"{name.replace('local', 'baseline')}/low" in found
    assert f"{name.replace('local', 'baseline')}/difference" not in found
