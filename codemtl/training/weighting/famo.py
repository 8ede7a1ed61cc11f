"""Weights by which all losses fall at one rate: w_i ∝ z_i / L_i, z = softmax(ξ), ξ learned.

FAMO, Liu et al. 2023, https://arxiv.org/abs/2306.03792: ξ follows, by Adam, how much log L_i fell.

The paper computes the same batch's losses again after the update, one more forward pass a step.
Here the fall is from a task's last window to this one: free, but the difference of two batches is
part of it, hence the small learning rate. A task that a window lacks gives no news.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.training.weighting import Weighting
from codemtl.training.weighting.measures import TINY, mean_one, softmax

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class Famo(Weighting):
    """z_i / L_i, scaled to a mean of one."""

    def __init__(
        self, tasks: Sequence[str], seed: int, *, learning_rate: float = 0.01, decay: float = 0.001
    ) -> None:
        super().__init__(tasks, seed)
        self.learning_rate, self.decay = learning_rate, decay
        self.step = 0
        self.logits, self.mean, self.square = ([0.0] * len(self.tasks) for _ in range(3))
        self.last: dict[str, float] = {}

    def weights(self, step: int) -> dict[str, float]:
        """A task without a loss so far counts as one with the mean loss."""
        known = [max(loss, TINY) for loss in self.last.values()]
        typical = sum(known) / len(known) if known else 1.0
        shares = zip(self.tasks, softmax(self.logits), strict=True)
        return mean_one(
            {task: share / max(self.last.get(task, typical), TINY) for task, share in shares}
        )

    def observe(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """One Adam step on ξ along the falls of log L_i."""
        falls = [
            math.log(max(self.last[task], TINY) / max(losses[task], TINY))
            if task in losses and task in self.last
            else 0.0
            for task in self.tasks
        ]
        self.last.update(losses)
        shares = softmax(self.logits)
        overall = sum(share * fall for share, fall in zip(shares, falls, strict=True))
        self.step += 1
        for index, (share, fall) in enumerate(zip(shares, falls, strict=True)):
            self._adam(index, share * (fall - overall) + self.decay * self.logits[index])

    def _adam(self, index: int, slope: float) -> None:
        first, second = _BETAS
        self.mean[index] += (1 - first) * (slope - self.mean[index])
        self.square[index] += (1 - second) * (slope * slope - self.square[index])
        mean = self.mean[index] / (1 - first**self.step)
        square = self.square[index] / (1 - second**self.step)
        self.logits[index] -= self.learning_rate * mean / (math.sqrt(square) + _EPSILON)

    def state_dict(self) -> dict[str, Any]:
        """ξ, Adam's moments and the last losses."""
        return {
            "step": self.step, "logits": list(self.logits), "mean": list(self.mean),
            "square": list(self.square), "last": dict(self.last),
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore ``state_dict``."""
        self.step, self.last = state["step"], dict(state["last"])
        self.logits, self.mean = list(state["logits"]), list(state["mean"])
        self.square = list(state["square"])
