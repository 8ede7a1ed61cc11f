"""Which training examples have wrong labels, and whose: drawn from (seed, task, index).

An example that is wrong stays wrong in every epoch, as a mistake in a dataset does. What is wrong
about it is the task's affair: a text task takes the text of the other example, repair blames other
sites (`tasks.noise`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.example import Example
from codemtl.training.shards import Shards

_HIT, _OTHER = 79, 80  # of the generators' seeds


class LabelNoise:
    """``rate`` of the examples of each task are wrong; ``members`` are the examples of each."""

    def __init__(
        self, rate: float, seed: int, shards: Shards, members: Mapping[str, NDArray[Any]]
    ) -> None:
        self.rate, self.seed = rate, seed
        self.shards, self.members = shards, members

    def others(self, task: str, indices: Sequence[int]) -> list[Example | None]:
        """For each example that is wrong the one whose labels take the place of its own."""
        return [self._other(task, index) if self.hits(task, index) else None for index in indices]

    def hits(self, task: str, index: int) -> bool:
        """Whether the labels of an example are wrong for a task."""
        if not self.rate:
            return False
        return bool(self._rng(_HIT, task, index).random() < self.rate)

    def _other(self, task: str, index: int) -> Example:
        members = self.members[task]
        found = members[self._rng(_OTHER, task, index).permutation(len(members))[:2]]
        return self.shards[int(found[0] if found[0] != index else found[-1])]

    def _rng(self, use: int, task: str, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, use, zlib.crc32(task.encode()), index))
