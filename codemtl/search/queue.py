"""The order in which candidates are tried: single edits by probability, pairs among them.

An edit that gets a test further than before, and then fails, is likely half of a repair: pairs of
it with all other edits are tried from then on, each as probable as its parts say. Pairs of edits
that showed nothing come last.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from codemtl.search.candidates import Candidate

PROMISING = 0.15  # probability that one more edit completes an edit that made progress
MENDING = 0.01  # that it mends what an edit broke which made all failing tests pass
BLIND = 1e-3  # that it completes one that showed nothing
FEW = 2  # so many promising edits halve what a further one counts
MAX_PROMISING = 40  # edits that are completed by others
BLIND_BASES = 30  # of the most probable ones


class Item(NamedTuple):
    """A candidate of a file, with others of other files beside it."""

    path: Path
    candidate: Candidate
    beside: tuple[tuple[Path, Candidate], ...] = ()

    @property
    def parts(self) -> tuple[tuple[Path, Candidate], ...]:
        """Each file, and what is changed in it."""
        return (self.path, self.candidate), *self.beside


class CandidateQueue:
    """An iterator over (file, candidate) that learns of progress while it is used."""

    def __init__(self, singles: Sequence[Item]) -> None:
        self._singles = sorted(singles, key=lambda item: -item.candidate.weight)
        self._heap: list[tuple[float, int, Item, Iterator[Item]]] = []
        self._count = 0
        self._promising = 0
        self._push(iter(self._singles))
        for item in self._singles[:BLIND_BASES]:
            self._push(self._pairs(item, BLIND))

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if not self._heap:
            raise StopIteration
        _, _, item, rest = heapq.heappop(self._heap)
        self._push(rest)
        return item

    def add(self, items: Sequence[Item]) -> None:
        """Late single edits."""
        self._push(iter(sorted(items, key=lambda item: -item.candidate.weight)))

    def promising(self, item: Item, share: float = PROMISING) -> None:
        """An edit came nearer to the goal: complete it.

        Where many do, each of them says less.
        """
        edits = sum(len(one.edits) for _, one in item.parts)
        if edits <= 4 and self._promising < MAX_PROMISING:
            self._push(self._pairs(item, share * FEW / (FEW + self._promising)))
            self._promising += 1

    def _push(self, items: Iterator[Item]) -> None:
        first = next(items, None)
        if first is not None:
            self._count += 1
            heapq.heappush(self._heap, (-first.candidate.weight, self._count, first, items))

    def _pairs(self, base: Item, share: float) -> Iterator[Item]:
        """The edit with each other one that does not touch it, by probability.

        One that showed nothing is completed in its own file alone.
        """
        one = base.candidate
        weight = share * one.weight if share == BLIND else share
        for path, other, _ in self._singles:
            if share != BLIND and path not in (place for place, _ in base.parts):
                beside = (*base.beside, (path, other))
                yield Item(base.path, one.weighing(weight * other.weight), beside)
            if path == base.path and other.edits != one.edits and _apart(one, other):
                changed = replace(
                    one,
                    edits=tuple(sorted((*one.edits, *other.edits))),
                    weight=weight * other.weight,
                    rule=f"{one.rule}+{other.rule}",
                    kind=one.kind if one.kind == other.kind else "rewrite",
                )
                yield Item(path, changed, base.beside)


def _apart(one: Candidate, other: Candidate) -> bool:
    return all(
        a.end < b.start
        or b.end < a.start
        or (a.end == b.start and a.start < a.end and b.start < b.end)
        or (b.end == a.start and a.start < a.end and b.start < b.end)
        for a in one.edits
        for b in other.edits
    )
