"""The arithmetic that several methods share, in plain floats, so that a checkpoint is exact."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from codemtl.errors import UsageError

TINY = 1e-8  # losses are held above it


def checked_positive(**settings: float) -> None:
    """Raise UsageError for the first setting of the method that is not above 0."""
    for key, value in settings.items():
        if value <= 0:
            raise UsageError(f"weighting.{key} is {value}; it must be above 0")


def softmax(values: Sequence[float]) -> list[float]:
    """exp(v_i) / Σ exp(v_j)."""
    top = max(values)
    parts = [math.exp(value - top) for value in values]
    total = sum(parts)
    return [part / total for part in parts]


def mean_one(values: Mapping[str, float]) -> dict[str, float]:
    """The same proportions with a mean of one; all ones if nothing is above zero."""
    total = sum(values.values())
    if not math.isfinite(total) or total <= 0:
        return dict.fromkeys(values, 1.0)
    return {task: value * len(values) / total for task, value in values.items()}


def slope(values: Sequence[float]) -> float:
    """Of the least-squares line through values one step apart; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    places = np.arange(len(values)) - (len(values) - 1) / 2
    return float(places @ np.asarray(values) / (places @ places))
