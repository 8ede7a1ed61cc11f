"""w: the step of best worst-case progress within a ball of radius c |g| around the mean gradient g.

CAGrad, Liu et al. 2021: https://arxiv.org/abs/2110.14048; c = 0 is the plain sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codemtl.training.weighting.gramian import GramianWeighting

if TYPE_CHECKING:
    from torch import Tensor


class CAGrad(GramianWeighting):
    """torchjd's CAGradWeighting, times m."""

    needs = ("torchjd", "cvxpy", "clarabel")

    def __init__(self, tasks: Sequence[str], seed: int, *, c: float = 0.4) -> None:
        super().__init__(tasks, seed)
        self.c = c

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """A small convex program."""
        from torchjd.aggregation import CAGradWeighting

        weights: Tensor = CAGradWeighting(c=self.c)(gramian)
        return weights * len(tasks)
