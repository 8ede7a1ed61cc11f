"""A share of the examples, as a pure function of number, share and seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HELD_OUT_SEED = 0  # of the part of the validation examples that chooses checkpoints, in every run


def subset(count: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which of ``count`` examples belong to a random ``fraction``; at least one does.

    With one seed, a smaller subset lies within a larger one.
    """
    kept = np.zeros(count, np.bool_)
    order = np.random.default_rng((seed, 78)).permutation(count)
    kept[order[: max(1, round(fraction * count))]] = True
    return kept
