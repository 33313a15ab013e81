"""One scenario: a design, a test set and a model of how arms, seeds, patients and queries vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Clusters = Literal["one each", "some two", "five each", "heavy", "half in one"]


@dataclass(frozen=True)
class Scenario:
    """The defaults are the base; a scenario changes what its name says.

    Reports come in two phases. In the null phase no arm differs from the baseline. In the planted phase the last arm
    differs by what an oracle finds in 90 % of reports, and the other arms do not.
    """

    name: str
    arms: int = 4  # with the baseline
    seeds: int = 3
    sizes: tuple[int, ...] = (300,)  # training pairs
    share: float = 0.1  # n / N: part of the pool of training studies that a subset holds
    new_pools: bool = False  # truth over other pools, and a new pool for each report; else given this pool
    patients: int = 400
    clusters: Clusters = "some two"
    metric: str = "recall_at_10"
    level: float = 0.17  # recall@10 of the baseline at 300 pairs, or its AUROC
    levels: tuple[float, ...] = ()  # of the baseline by size, instead of a rise with log n
    bend: float = 0.0  # how fast the rise with log n slows down
    ties: int = 0  # neighbouring ranks that are tied
    positives: int = 0  # patients with the class that AUROC is of
    learner: Literal["latent", "ridge"] = "latent"
    renamed: bool = False  # the other arms are the baseline under another name, with starts of their own
    interaction: float = 0.3  # patient x arm, in latent standard deviations, like the next three
    subset: float = 0.05  # subset x arm
    start: float = 0.07
    patient_start: float = 0.15  # patient x trained model
    wild: Literal["", "arm", "baseline"] = ""  # which has 5 times the spread between seeds
    folds: int = 0
    looks: tuple[int, ...] = ()  # numbers of seeds at which somebody reads the report and stops at a claim
    failed: int = 0  # replicates of an arm that failed: those with the worst validation results
    withheld: bool = False  # one cell has no test results
    direction: int = 1  # of the planted effect: better or worse
    margin: float | None = None  # equivalence margin in points; planted is then an effect of exactly the margin
    unfinished: bool = False  # the sweep is running: of the largest size only the first arm has results
    tuned: Literal["", "once", "each"] = ""  # settings of every arm: one tuning serves all replicates, or each has one
    tuning: float = 0.08  # standard deviation of what tuning happens to find
    claimable: bool = True  # False where too little is known for any claim: power has no gate then

    @property
    def comparisons(self) -> int:
        return (self.arms - 1) * len(self.sizes)

    @property
    def most_seeds(self) -> int:
        return max(self.looks, default=self.seeds)

    @property
    def degrees(self) -> int:
        """Degrees of freedom of a variance: pooled over arms, unless their spreads differ; few positives have few."""
        lost = self.failed + self.withheld
        of_seeds = self.seeds - 1 if self.wild else (self.arms - 1) * (self.seeds - 1) - lost
        return min(of_seeds, self.positives - 1) if self.positives else of_seeds

    @property
    def full_metric(self) -> str:
        """`text_to_image/recall_at_10`, without its split."""
        return "zero_shot/auroc" if self.metric == "auroc" else f"text_to_image/{self.metric}"

    @property
    def selects(self) -> str:
        """The metric that the report is about; AUROC cannot select, and is read from the further measures."""
        return "text_to_image/recall_at_10" if self.metric == "auroc" else self.full_metric
