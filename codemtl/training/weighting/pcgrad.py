"""w: each task's gradient loses its components against others that conflict, in random order.

PCGrad, Yu et al. 2020: https://arxiv.org/abs/2001.06782. The order is drawn from (seed, step).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from codemtl.training.weighting.gramian import GramianWeighting

if TYPE_CHECKING:
    from torch import Tensor

_STREAM = 102  # tells these draws from others of the same seed


class PCGrad(GramianWeighting):
    """torchjd's PCGradWeighting, whose order comes from torch's generator."""

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """The generator is seeded for the draw and put back."""
        import torch
        from torchjd.aggregation import PCGradWeighting

        seed = int(np.random.default_rng((self.seed, _STREAM, step)).integers(1 << 62))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            weights: Tensor = PCGradWeighting()(gramian)
        return weights
