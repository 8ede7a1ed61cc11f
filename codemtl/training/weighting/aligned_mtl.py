"""w: gradients made orthogonal and of one length, that of the smallest principal component.

Aligned-MTL, Senushkin et al. 2023: https://arxiv.org/abs/2305.19000
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codemtl.training.weighting.gramian import GramianWeighting

if TYPE_CHECKING:
    from torch import Tensor


class AlignedMTL(GramianWeighting):
    """torchjd's AlignedMTLWeighting with equal preferences."""

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """By an eigendecomposition of the Gramian."""
        from torchjd.aggregation import AlignedMTLWeighting

        weights: Tensor = AlignedMTLWeighting(gramian.new_ones(len(tasks)))(gramian)
        return weights
