"""L(θ) = Σ λ_i L_i(θ) with constant λ: a strong default (Kurin et al. 2022, arXiv:2201.04122)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StaticWeighting:
    """Constant weights."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = dict(weights)

    def weights(self, losses: Mapping[str, float] | None = None) -> dict[str, float]:
        """The same weights whatever the losses."""
        return dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Nothing changes during training."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
