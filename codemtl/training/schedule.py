"""Which task each micro-batch of a run holds: a pure function of the seed and the shares.

Kept apart from the micro-batches, so that a run can be planned without torch and without data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def draw_tasks(shares: Sequence[float], micro_batches: int, seed: int) -> NDArray[np.int64]:
    """For each micro-batch the index of its task; ``shares`` add up to one."""
    rng = np.random.default_rng((seed, 77))
    return rng.choice(len(shares), size=micro_batches, p=list(shares))
