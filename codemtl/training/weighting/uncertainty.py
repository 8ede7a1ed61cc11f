"""Weights from learned variances: minimise Σ exp(-s_i) L_i + s_i / 2 over s_i = log σ_i².

Kendall, Gal and Cipolla 2018, the form for classification: https://arxiv.org/abs/1705.07115

The gradient of s_i has a closed form, 1/2 - exp(-s_i) L_i, so s_i is moved by plain descent on the
last window's loss, where the paper lets the model's optimizer move it with the current one. A step
is at most one, so that a large first loss does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.training.weighting import Weighting


class Uncertainty(Weighting):
    """w_i = exp(-s_i)."""

    def __init__(self, tasks: Sequence[str], seed: int, *, learning_rate: float = 0.02) -> None:
        super().__init__(tasks, seed)
        self.learning_rate = learning_rate
        self.log_variance = dict.fromkeys(self.tasks, 0.0)

    def weights(self, step: int) -> dict[str, float]:
        """exp(-s_i)."""
        return {task: math.exp(-self.log_variance[task]) for task in self.tasks}

    def observe(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """One descent step on s_i of the tasks that were there."""
        for task, loss in losses.items():
            slope = 0.5 - math.exp(-self.log_variance[task]) * loss
            self.log_variance[task] -= max(-1.0, min(1.0, self.learning_rate * slope))

    def state_dict(self) -> dict[str, Any]:
        """s_i."""
        return {"log_variance": dict(self.log_variance)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore s_i."""
        self.log_variance = dict(state["log_variance"])
