"""w: the sum of the projections of each task's gradient onto the dual cone of all gradients.

UPGrad, Quinton and Rey 2024, https://arxiv.org/abs/2406.16232: to first order the step raises no
task's loss. Without conflict w_i = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codemtl.training.weighting.gramian import GramianWeighting

if TYPE_CHECKING:
    from torch import Tensor


class UPGrad(GramianWeighting):
    """torchjd's UPGradWeighting with equal preferences."""

    needs = ("torchjd", "qpsolvers", "quadprog")

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """One small quadratic program a task."""
        from torchjd.aggregation import UPGradWeighting

        weights: Tensor = UPGradWeighting(gramian.new_ones(len(tasks)))(gramian)
        return weights
