"""The table of scenarios: one factor at a time is varied around the base, then the faults that a review found."""

from __future__ import annotations

from claims_referee.scenario import Scenario

THREE = (100, 300, 1000)

FACTORS = (
    Scenario("base"),
    Scenario("renamed arms", renamed=True),
    Scenario("no interaction of patient and arm", interaction=0),
    Scenario("strong interaction of patient and arm", interaction=0.6),
    Scenario("n = N", share=1),
    Scenario("n = N/2", share=0.5),
    Scenario("n = N/50", share=0.02),
    Scenario("2 seeds", seeds=2),
    Scenario("5 seeds", seeds=5),
    Scenario("10 seeds", seeds=10),
    Scenario("seeds dominate", subset=0.15, start=0.15),
    Scenario("patients dominate", subset=0.005, start=0.01),
    Scenario("2 arms", arms=2),
    Scenario("12 arms", arms=12),
    Scenario("40 arms", arms=40),
    Scenario("3 sizes", sizes=THREE),
    Scenario("12 arms, 3 sizes", arms=12, sizes=THREE),
    Scenario("20 patients", patients=20),
    Scenario("100 patients", patients=100),
    Scenario("2,000 patients", patients=2000),
    Scenario("a query a patient", clusters="one each"),
    Scenario("5 queries a patient", clusters="five each", patients=100),
    Scenario("heavily clustered", clusters="heavy", patients=100),
    Scenario("floor", level=0.03),
    Scenario("ceiling", level=0.985, direction=-1),
    Scenario("heavy ties", ties=8),
    Scenario("heavy ties of the median rank", ties=20, metric="median_rank", claimable=False),
    Scenario("recall@1", metric="recall_at_1"),
    Scenario("recall@5", metric="recall_at_5"),
    Scenario("mean rank", metric="mean_rank"),
    Scenario("reciprocal rank", metric="mean_reciprocal_rank"),
    Scenario("rank percentile", metric="rank_percentile"),
    Scenario("median rank", metric="median_rank", claimable=False),
    Scenario("AUROC, 3 positives", metric="auroc", positives=3, level=0.8),
    Scenario("AUROC, 30 positives", metric="auroc", positives=30, level=0.8),
    Scenario("folds", folds=3),
    Scenario("an effect of the margin", seeds=10, patients=2000, margin=2),
)

LEARNER = (
    Scenario("ridge, n = N/10", learner="ridge"),
    Scenario("ridge, n = N/2", learner="ridge", share=0.5),
    Scenario("ridge, n = N", learner="ridge", share=1),
    Scenario("ridge, n = N/50", learner="ridge", share=0.02),
    Scenario("ridge, renamed arms", learner="ridge", renamed=True),
)

NEW_POOLS = (  # tabulated, not a gate
    Scenario("new pools, n = N", share=1, new_pools=True, subset=0.1),
    Scenario("new pools, n = N, 5 seeds", share=1, seeds=5, new_pools=True, subset=0.1),
    Scenario("new pools, n = N/2", share=0.5, new_pools=True, subset=0.1),
    Scenario("new pools, n = N/10", share=0.1, new_pools=True, subset=0.1),
    Scenario("new pools, n = N/50", share=0.02, new_pools=True, subset=0.1),
    Scenario("ridge, new pools, n = N", learner="ridge", share=1, new_pools=True),
    Scenario("ridge, new pools, n = N/2", learner="ridge", share=0.5, new_pools=True),
)

FOUND = (  # by the row of the review's table
    Scenario("row 2: one tuning for all replicates", tuned="once", claimable=False),
    Scenario("row 2: one tuning, 10 seeds", tuned="once", seeds=10, claimable=False),
    Scenario("row 2: tuned for each replicate", tuned="each"),
    Scenario("row 3: 2 seeds and 2 arms", arms=2, seeds=2, claimable=False),
    Scenario("row 3: 2 seeds and 2 arms, seeds dominate", arms=2, seeds=2, subset=0.15, start=0.15, claimable=False),
    Scenario("row 5: looks at 2 to 12 seeds", looks=tuple(range(2, 13)), interaction=0.1),
    Scenario("row 5: looks at 3, 6, 9 and 12 seeds", looks=(3, 6, 9, 12), interaction=0.1),
    Scenario("row 6: the baseline falls with size", arms=2, sizes=THREE, levels=(0.10, 0.26, 0.16)),
    Scenario("row 6: 2 sizes", arms=2, sizes=(100, 1000), bend=0.35),
    Scenario("row 7: 40 null arms, seeds dominate", arms=40, subset=0.1, start=0.12),
    Scenario("row 8: median rank, 8 arms, 3 sizes", arms=8, sizes=THREE, metric="median_rank", claimable=False),
    Scenario("row 9: a patient with half of the queries", clusters="half in one", claimable=False),
    Scenario("row 9: an arm with 5 times the spread", wild="arm"),
    Scenario("row 9: an arm with 5 times the spread, 5 seeds", wild="arm", seeds=5),
    Scenario("row 9: a baseline with 5 times the spread", wild="baseline"),
    Scenario("row 9: a baseline with 5 times the spread, 5 seeds", wild="baseline", seeds=5),
    Scenario("row 11: 3 of 5 replicates failed", seeds=5, failed=3, subset=0.1, start=0.12),
    Scenario("row 12: a cell without a test result", withheld=True),
    Scenario("row 14: a running sweep", sizes=(300, 1000), unfinished=True, claimable=False),
)

SCENARIOS = {scenario.name: scenario for scenario in (*FACTORS, *LEARNER, *NEW_POOLS, *FOUND)}
NOT_A_GATE = frozenset(scenario.name for scenario in NEW_POOLS)
