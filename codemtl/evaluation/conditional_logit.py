"""What people choose among alternatives, by the features of each: a conditional logit.

D. McFadden, Conditional logit analysis of qualitative choice behavior, 1974.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codemtl.tasks.metrics import Array


def fit_choice(rows: Sequence[tuple[Array, Array]], ridge: float, rounds: int = 50) -> Array:
    """The weight of each feature, [F], under which what was chosen is likely.

    Args:
        rows: of each choice the features of its K alternatives, [K, F], and which of them may have
            been chosen, [K] of 0 and 1, at least one.
        ridge: half of it, times the squares of the weights, is the price of weights.
        rounds: of Newton's method, at most.
    """
    inputs = np.vstack([features for features, _ in rows])
    chosen = np.concatenate([right for _, right in rows])
    sizes = [len(right) for _, right in rows]
    first, row = np.cumsum([0, *sizes])[:-1], np.repeat(np.arange(len(rows)), sizes)
    found = np.zeros(inputs.shape[1])
    for _ in range(rounds):
        scores = inputs @ found
        spread = np.exp(scores - np.maximum.reduceat(scores, first)[row])
        chance = spread / np.add.reduceat(spread, first)[row]
        wanted = chance * chosen / np.add.reduceat(chance * chosen, first)[row]
        gradient = inputs.T @ (wanted - chance) - ridge * found
        means = np.add.reduceat(inputs * chance[:, None], first, axis=0)
        curve = (inputs * chance[:, None]).T @ inputs - means.T @ means
        step = np.linalg.solve(curve + ridge * np.eye(len(found)), gradient)
        found = found + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return found
