"""w: the Nash bargaining solution, G w = 1 / w for the Gramian G, scaled to a mean of one.

Nash-MTL, Navon et al. 2022: https://arxiv.org/abs/2202.01017

The equation is where the gradient of w'Gw / 2 - Σ log w_i vanishes. That is strictly convex and
self-concordant, so damped Newton steps find it from anywhere (Nesterov 2004, section 4.1): neither
a solver nor a state is needed, unlike with the paper's sequence of convex programs, which torchjd
follows. The length of the step is left to clipping and the optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from codemtl.training.weighting.gramian import GramianWeighting
from codemtl.training.weighting.measures import checked_positive

if TYPE_CHECKING:
    from torch import Tensor

_RIDGE = 1e-4  # on a mean diagonal of one: gradients that cancel have no finite solution
_CLOSE = 1e-12  # of the squared Newton decrement


class NashMTL(GramianWeighting):
    """The bargaining solution by Newton's method."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tasks: Sequence[str], seed: int, *, iterations: int = 100) -> None:
        super().__init__(tasks, seed)
        checked_positive(iterations=iterations)
        self.iterations = iterations

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """At most ``iterations`` Newton steps, ten or twenty as a rule."""
        import torch

        matrix = gramian + _RIDGE * torch.eye(len(tasks), dtype=gramian.dtype)
        weights = matrix.diagonal().rsqrt()
        for _ in range(self.iterations):
            slope = matrix @ weights - 1 / weights
            move = torch.linalg.solve(matrix + torch.diag(weights**-2), slope)
            decrement = float(slope @ move)
            weights = weights - move / (1 + max(decrement, 0.0) ** 0.5)
            if decrement < _CLOSE:
                break
        return weights * len(tasks) / weights.sum()
