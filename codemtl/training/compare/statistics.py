"""How sure a difference is: the paired bootstrap over held-out cases and seeds.

Both sides are judged in the same cases and by the same seeds, so a resample draws cases and seeds,
with replacement, once for both (Efron and Tibshirani 1993; pairs of runs as in Bouthillier et al.
2021, arXiv:2103.03098). Three seeds are few: what seeds vary, the interval understates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUNDS = 2000


class Outcomes(NamedTuple):
    """A measure of one arm in N cases by S seeds: Σ hits / Σ sizes."""

    hits: Array  # [S, N]
    sizes: Array  # [S, N]

    @classmethod
    def of(cls, rows: Sequence[Sequence[Sequence[float]]]) -> Outcomes:
        """From (hits, sizes) of each seed."""
        return cls(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))

    def by_seed(self) -> Array:
        """The measure [S]."""
        found: Array = self.hits.sum(1) / np.maximum(self.sizes.sum(1), 1e-12)
        return found

    def value(self) -> float:
        """The mean over seeds."""
        return float(self.by_seed().mean())


class Difference(NamedTuple):
    """A difference with its 95% interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return self._asdict()


def paired(ours: Outcomes, theirs: Outcomes, rounds: int = ROUNDS, seed: int = 0) -> Difference:
    """By how much ``ours`` is above ``theirs``, both [S, N] in the same order."""
    seeds, cases = ours.hits.shape
    rng = np.random.default_rng(seed)
    seed_weights = _drawn(rng, rounds, seeds)
    case_weights = _drawn(rng, rounds, cases)
    found = _resampled(ours, seed_weights, case_weights)
    found -= _resampled(theirs, seed_weights, case_weights)
    low, high = np.quantile(found, (0.025, 0.975))
    return Difference(ours.value() - theirs.value(), float(low), float(high))


def _drawn(rng: np.random.Generator, rounds: int, count: int) -> Array:
    """How often each of ``count`` things is drawn in a resample of as many [rounds, count]."""
    drawn: NDArray[Any] = rng.multinomial(count, np.full(count, 1 / count), size=rounds)
    return drawn.astype(np.float64)


def _resampled(arm: Outcomes, seed_weights: Array, case_weights: Array) -> Array:
    """The measure in each resample [rounds]."""
    hits, sizes = case_weights @ arm.hits.T, case_weights @ arm.sizes.T  # [rounds, S]
    by_seed = hits / np.maximum(sizes, 1e-12)
    found: Array = (by_seed * seed_weights).sum(1) / seed_weights.sum(1)
    return found
