"""Which training examples have wrong labels, and whose: drawn from (seed, task, index).

An example that is wrong stays wrong in every epoch, as a mistake in a dataset does. A text task
gets the text of another example of the task; repair gets labels of its own (`tasks.noise`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.example import Example
from codemtl.training.shards import Shards

_HIT, _OTHER = 79, 80  # of the generators' seeds


class LabelNoise:
    """``rate`` of the examples of each task are wrong."""

    def __init__(
        self, rate: float, seed: int, shards: Shards, members: Mapping[str, NDArray[Any]]
    ) -> None:
        self.rate, self.seed = rate, seed
        self.shards, self.members = shards, members

    def hits(self, task: int, index: int) -> bool:
        """Whether the labels of an example are wrong for the task of that number."""
        if not self.rate:
            return False
        rng = np.random.default_rng((self.seed, _HIT, task, index))
        return bool(rng.random() < self.rate)

    def other(self, task: int, name: str, index: int) -> Example:
        """The example whose text takes the place of the right one; never the same example."""
        members = self.members[name]
        rng = np.random.default_rng((self.seed, _OTHER, task, index))
        others = members[rng.permutation(len(members))[:2]]
        return self.shards[int(others[0] if others[0] != index else others[-1])]
