"""Successive halving over data size: many configurations on few pairs, the best of them on more.

A bracket holds reduction ** (rungs - 1) configurations. When all of them have ended on a rung, the best one in
`reduction` are promoted to the next, so that one ends on the top rung. Brackets overlap: slots that would wait for a
rung to end begin the next bracket. Promotions do not depend on the order in which trials end.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bracket:
    """Configurations that compete with one another, by number."""

    room: int  # configurations that it takes
    members: list[int] = field(default_factory=list)
    scores: list[dict[int, float]] = field(default_factory=list)  # by rung
    failed: set[int] = field(default_factory=set)
    decided: int = 0  # rungs whose best have been promoted


class Brackets:
    """All brackets of a search."""

    def __init__(self, rungs: int, reduction: int) -> None:
        self.rungs, self.reduction = rungs, reduction
        self.all: list[Bracket] = []
        self.place: dict[int, int] = {}  # configuration -> its bracket

    @property
    def top(self) -> int:
        return self.rungs - 1

    def enter(self, number: int, bracket: int | None = None) -> int:
        """Enter a configuration on the lowest rung: of its earlier bracket, or of one that is not full."""
        if bracket is None:
            bracket = next((i for i, some in enumerate(self.all) if len(some.members) < some.room), len(self.all))
        while len(self.all) <= bracket:
            empty: list[dict[int, float]] = [{} for _ in range(self.rungs)]
            self.all.append(Bracket(self.reduction**self.top, scores=empty))
        self.all[bracket].members.append(number)
        self.place[number] = bracket
        return bracket

    def ended(self, number: int, rung: int, score: float) -> None:
        self.all[self.place[number]].scores[rung][number] = score

    def failed(self, number: int) -> None:
        self.all[self.place[number]].failed.add(number)

    def close(self) -> None:
        """Accept no more configurations: brackets compete with the members that they have."""
        for bracket in self.all:
            bracket.room = len(bracket.members)

    def decide(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Return what was decided since the last call: promoted (configuration, next rung), and those that are out."""
        promoted: list[tuple[int, int]] = []
        out: list[int] = []
        for bracket in self.all:
            while bracket.decided < self.top and self._complete(bracket):
                kept, beaten = self._best(bracket.scores[bracket.decided])
                bracket.decided += 1
                promoted += [(number, bracket.decided) for number in kept]
                out += beaten
        return promoted, out

    def _complete(self, bracket: Bracket) -> bool:
        if len(bracket.members) < bracket.room:
            return False
        before = bracket.members
        if bracket.decided:
            before, _ = self._best(bracket.scores[bracket.decided - 1])
        return bool(before) and all(n in bracket.failed or n in bracket.scores[bracket.decided] for n in before)

    def _best(self, scores: dict[int, float]) -> tuple[list[int], list[int]]:
        """Return the configurations of a rung that are promoted, best first, and the others."""
        competing = sorted(scores, key=lambda n: (-scores[n], n))
        kept = max(1, len(competing) // self.reduction)
        return competing[:kept], competing[kept:]
