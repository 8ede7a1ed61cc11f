"""Random weights, drawn anew for each step: w = m softmax(x), x_i standard normal.

Lin et al. 2022, https://arxiv.org/abs/2111.10603: what a learned weighting has to beat. Drawn from
(seed, step), so there is no state.
"""

from __future__ import annotations

import numpy as np

from codemtl.training.weighting import Weighting
from codemtl.training.weighting.measures import softmax

_STREAM = 101  # tells these draws from others of the same seed


class RandomLossWeighting(Weighting):
    """m softmax(x)."""

    def weights(self, step: int) -> dict[str, float]:
        """The draw of this step."""
        drawn = np.random.default_rng((self.seed, _STREAM, step)).normal(size=len(self.tasks))
        shares = softmax(drawn.tolist())
        return {task: len(shares) * share for task, share in zip(self.tasks, shares, strict=True)}
