"""Differences by group of test queries in a report: groups, what is left out, discoveries, and their words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radsweep.data.shards.groups import StudyTraits, Traits, no_traits
from radsweep.evaluation.queries import QueryResults
from radsweep.report.analysis.group_differences import Subgroups, groupings, subgroups
from radsweep.report.analysis.results import Results, join
from radsweep.report.render.write import write_report

NUMBERS = {
    "baseline": {100: [0.10] * 4, 300: [0.20, 0.21, 0.19, 0.20]},
    "local": {100: [0.10] * 4, 300: [0.20, 0.21, 0.19, 0.20]},
    "other": {100: [0.10] * 4, 300: [0.20, 0.21, 0.19, 0.20]},
}
TEST = "test/text_to_image/recall_at_10"
Made = tuple[Any, dict[str, Any], dict[str, QueryResults]]


def traits_of(queries: dict[str, QueryResults], **others: Any) -> Traits:
    """Every other study has a nodule, one in ten a rib, no study a label `mass`; lengths rise from 5 words to 404."""
    studies = next(iter(queries.values())).study_ids

    def study(n: int) -> StudyTraits:
        labels = {"nodule": float(n % 2), "rib": float(n % 50 == 0)} if n % 8 else {"rib": 0.0}
        planes = (("frontal",), ("frontal", "lateral"), ("lateral",), ("frontal", ""))[n % 4]
        return StudyTraits(**({"planes": planes, "words": n + 5, "labels": labels} | others))

    return lambda: {name: study(n) for n, name in enumerate(studies)}


@pytest.fixture
def made(ablation: Callable[..., Any], with_queries: Callable[..., Made]) -> Made:
    """Replicates of `local` at 300 pairs find 30 % more of the studies with a nodule, and nothing else changes."""
    sweep, cells, queries = with_queries(*ablation(NUMBERS))
    for r in range(4):
        base = queries[f"baseline-300-{r}"]
        rank_Q = base.ranks["text_to_image"].copy()
        rng = np.random.default_rng(r)
        rank_Q[(np.arange(400) % 2 == 1) & (rng.random(400) < 0.3)] = 1.0
        for arm, ranks in (("local", rank_Q), ("other", base.ranks["text_to_image"] + 0.0)):
            key = f"{arm}-300-{r}"
            queries[key] = QueryResults(base.study_ids, base.patient_ids, {"text_to_image": ranks}, base.others)
            final = cells[key].final | {TEST: float((ranks <= 10).mean())}
            cells[key] = cells[key].model_copy(update={"final": final})
    return sweep, cells, queries


def found(made: Made, traits: Traits | None = None) -> Subgroups:
    sweep, cells, queries = made
    return subgroups(join(sweep, cells, queries.get, traits=traits or traits_of(queries)))


def test_groups_are_by_label_view_and_thirds_of_the_number_of_words() -> None:
    studies = [
        StudyTraits(("frontal",), 3, {"nodule": 1.0}),
        StudyTraits(("frontal", "lateral"), 9, {"nodule": 0.0}),
        StudyTraits(("lateral", "lateral"), 30, {}),
        StudyTraits(("frontal", ""), 9, {"nodule": 1.0}),
    ]
    members = {
        group: np.flatnonzero(inside_Q).tolist()
        for groups in groupings(studies).values()
        for group, inside_Q in groups.items()
    }
    assert members == {
        "nodule present": [0, 3],
        "nodule absent": [1],
        "frontal view only": [0],
        "lateral view only": [2],
        "both views": [1],
        "report of 9 words or fewer": [0, 1, 3],
        "report of 10 to 9 words": [],
        "report of more than 9 words": [2],
    }


def test_a_planted_interaction_is_found_at_the_largest_size_and_in_no_other_grouping(made: Made) -> None:
    result = found(made)
    assert result.size == 300
    assert {test.grouping for test in result.tests} == {"nodule", "view", "length of the report"}
    varies = [(test.arm, test.grouping) for test in result.tests if test.varies]
    assert ("local", "nodule") in varies
    assert not [grouping for _, grouping in varies if grouping not in ("nodule", "view")]  # odd studies: both views
    (nodule,) = (test for test in result.tests if (test.arm, test.grouping) == ("local", "nodule"))
    present, absent = (group.change for group in nodule.groups)
    assert present.low > 0.1
    assert absent.estimate == 0
    assert present.queries + absent.queries == 350, "studies without a label are in neither group"


def test_groups_of_few_patients_are_left_out_with_their_number(made: Made) -> None:
    result = found(made)
    assert result.left_out == {"rib present": 6}
    assert not [test for test in result.tests if test.grouping == "rib"]


def test_an_arm_that_cannot_be_compared_is_left_out_with_the_reason(made: Made) -> None:
    result = found(made)
    assert result.arms == ["local"]
    assert result.not_compared == {"other": "it is the baseline under another name"}


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        (no_traits, "this report was written without the data set"),
        (lambda: "it is elsewhere", "it is elsewhere"),
        (lambda: {"s000": StudyTraits((), 1, {})}, "the data set lacks some of the test studies"),
    ],
)
def test_without_the_data_set_the_section_is_left_out_with_one_sentence(
    made: Made, traits: Traits, why: str, tmp_path: Path
) -> None:
    sweep, cells, queries = made
    write_report(tmp_path, sweep, cells, queries.get, traits=traits)
    text = (tmp_path / "report.md").read_text()
    assert text.count("by group of test queries") == 1
    assert f"(finding, view, length of the report) are left out: {why}." in text
    assert "Where each technique helps" not in text


def test_a_metric_that_is_not_a_mean_over_queries_has_no_groups(made: Made) -> None:
    sweep, cells, queries = made
    sweep = sweep.model_copy(update={"select": "val/text_to_image/median_rank"})
    assert found((sweep, cells, queries)).why == "the median rank is not a mean over queries"


def test_one_replicate_supports_no_group(ablation: Callable[..., Any], with_queries: Callable[..., Made]) -> None:
    made = with_queries(*ablation({"baseline": {300: [0.2]}, "local": {300: [0.3]}}))
    assert found(made).why == "nothing can be claimed about any arm"
    assert found(made).not_compared == {"local": "one replicate does not show how much seeds vary; run 3 or more"}


def test_every_form_of_the_report_has_the_tests_and_says_that_they_are_exploratory(made: Made, tmp_path: Path) -> None:
    sweep, cells, queries = made
    written = write_report(tmp_path, sweep, cells, queries.get, traits=traits_of(queries))
    page, text = written.page.read_text().replace("\N{NO-BREAK SPACE}", " "), (tmp_path / "report.md").read_text()
    for form in (page, text):
        assert "Exploratory: 3 tests, false discovery rate 5 %." in form
        assert "local: the difference varies with nodule: present +" in form
        assert "rib present (6)" in form
    assert page.index("<summary>local, by group") > page.index('id="arms"'), "after the main table, and folded"
    tests = json.loads((tmp_path / "report.json").read_text())["report"]["subgroups"]["tests"]
    assert [test["grouping"] for test in tests if test["arm"] == "local" and test["q"] < 0.001][:1] == ["nodule"]
    assert tests[0]["groups"][0]["patients"] > 20


def test_results_without_an_ablation_have_no_groups(one_trial: Any) -> None:
    results: Results = join(*one_trial)
    assert subgroups(results).why == "nothing is compared"
