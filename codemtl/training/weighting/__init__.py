"""How the losses of tasks become one: one method a file, one interface.

A weighting sees the window's task losses (tasks may be absent) and returns their weights λ. Its
complete state is plain data, so that a checkpoint holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Weighting(Protocol):
    """Weights λ_i of the joint loss L(θ) = Σ λ_i L_i(θ)."""

    def weights(self, losses: Mapping[str, float] | None = None) -> dict[str, float]:
        """The weights for the next step; ``losses`` are those of the last window, by task."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as plain data."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore ``state_dict``."""
        ...
