"""The geometric mean as the joint loss: ∇ (Π L_i)^(1/m) = Σ_i (G / m L_i) ∇L_i.

Geometric loss strategy, Chennupati et al. 2019: https://arxiv.org/abs/1904.08492

w_i = G / L_i (m times the derivative, so that equal losses weigh one), with each task's last known
loss, where the paper has the current ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.training.weighting import Weighting
from codemtl.training.weighting.measures import TINY


class GeometricLoss(Weighting):
    """w_i = (Π L_j)^(1/m) / L_i."""

    def __init__(self, tasks: Sequence[str], seed: int) -> None:
        super().__init__(tasks, seed)
        self.last: dict[str, float] = {}

    def weights(self, step: int) -> dict[str, float]:
        """Over the tasks seen so far; 1 for a task that was never there."""
        logs = {task: math.log(max(loss, TINY)) for task, loss in self.last.items()}
        mean = sum(logs.values()) / max(len(logs), 1)
        return {task: math.exp(mean - logs.get(task, mean)) for task in self.tasks}

    def observe(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Remember the losses."""
        self.last.update(losses)

    def state_dict(self) -> dict[str, Any]:
        """The last losses."""
        return {"last": dict(self.last)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the last losses."""
        self.last = dict(state["last"])
