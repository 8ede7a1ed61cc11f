"""w: m times the shortest convex combination of the tasks' gradients, found by Frank-Wolfe.

MGDA, Désidéri 2012, as by Sener and Koltun 2018: https://arxiv.org/abs/1810.04650
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codemtl.training.weighting.gramian import GramianWeighting
from codemtl.training.weighting.measures import checked_positive

if TYPE_CHECKING:
    from torch import Tensor


class MGDA(GramianWeighting):
    """torchjd's MGDAWeighting."""

    def __init__(self, tasks: Sequence[str], seed: int, *, iterations: int = 100) -> None:
        super().__init__(tasks, seed)
        checked_positive(iterations=iterations)
        self.iterations = iterations

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """At most ``iterations`` rounds."""
        from torchjd.aggregation import MGDAWeighting

        weights: Tensor = MGDAWeighting(max_iters=self.iterations)(gramian)
        return weights * len(tasks)
