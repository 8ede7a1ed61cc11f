"""Weights that even out gradient norms: minimise Σ |G_i - mean(G) r_i^α| over w_i, G_i ∝ w_i.

Chen et al. 2018, https://arxiv.org/abs/1711.02257: G_i is the norm of the gradient of λ_i w_i L_i
of one shared matrix, r_i the task's loss relative to its first, over the mean of the tasks.

dG_i / dw_i = G_i / w_i needs no second backward pass. It is divided by the mean norm, so that the
learning rate does not depend on the scale of gradients (the paper gives it to Adam). The norms are
those of the last window; tasks that it lacks keep their share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.training.weighting import Weighting
from codemtl.training.weighting.measures import TINY, mean_one

_LEAST = 1e-3  # of a weight before they are scaled


class GradNorm(Weighting):
    """Weights by descent, scaled to a mean of one."""

    wants_norms = True

    def __init__(
        self, tasks: Sequence[str], seed: int, *, learning_rate: float = 0.025, alpha: float = 1.5
    ) -> None:
        super().__init__(tasks, seed)
        self.learning_rate, self.alpha = learning_rate, alpha
        self.current = dict.fromkeys(self.tasks, 1.0)
        self.first: dict[str, float] = {}

    def weights(self, step: int) -> dict[str, float]:
        """The weights as learned so far."""
        return dict(self.current)

    def observe(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """One descent step on the weights of the tasks that were there."""
        for task, loss in losses.items():
            self.first.setdefault(task, max(loss, TINY))
        tasks = [task for task in losses if norms.get(task, 0.0) > 0]
        if len(tasks) < 2:
            return
        rates = mean_one({task: losses[task] / self.first[task] for task in tasks})
        mean = sum(norms[task] for task in tasks) / len(tasks)
        for task in tasks:
            target = mean * rates[task] ** self.alpha
            sign = (norms[task] > target) - (norms[task] < target)
            slope = sign * norms[task] / (self.current[task] * mean)
            self.current[task] = max(_LEAST, self.current[task] - self.learning_rate * slope)
        self.current = mean_one(self.current)

    def state_dict(self) -> dict[str, Any]:
        """Weights and first losses."""
        return {"current": dict(self.current), "first": dict(self.first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore weights and first losses."""
        self.current, self.first = dict(state["current"]), dict(state["first"])
