"""Weights by how slowly losses fall: w = m softmax(r / T), r_i = L_i(p - 1) / L_i(p - 2).

Dynamic weight average, Liu, Johns and Davison 2019: https://arxiv.org/abs/1803.10704

Periods p are ``period`` steps, where the paper takes epochs; a loss is the period's mean. A task
that a period lacks keeps its ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.training.weighting import Weighting
from codemtl.training.weighting.measures import TINY, checked_positive, softmax


class DynamicWeightAverage(Weighting):
    """m softmax(r / T)."""

    def __init__(
        self, tasks: Sequence[str], seed: int, *, period: int = 50, temperature: float = 2.0
    ) -> None:
        super().__init__(tasks, seed)
        checked_positive(period=period, temperature=temperature)
        self.period, self.temperature = period, temperature
        self.steps = 0  # in this period
        self.sums: dict[str, list[float]] = {}  # of this period: sum of losses, how many
        self.means: dict[str, list[float]] = {}  # of the last two periods that had the task

    def weights(self, step: int) -> dict[str, float]:
        """Ones until a task has two periods, whose ratio is 1 before."""
        ratios = [self._ratio(self.means.get(task, [])) for task in self.tasks]
        shares = softmax([ratio / self.temperature for ratio in ratios])
        return {task: len(shares) * share for task, share in zip(self.tasks, shares, strict=True)}

    @staticmethod
    def _ratio(means: Sequence[float]) -> float:
        return min(means[1] / max(means[0], TINY), 100.0) if len(means) == 2 else 1.0

    def observe(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Add to the period's means; the last step of a period closes it."""
        for task, loss in losses.items():
            total, count = self.sums.get(task, [0.0, 0.0])
            self.sums[task] = [total + loss, count + 1]
        self.steps += 1
        if self.steps == self.period:
            for task, (total, count) in self.sums.items():
                self.means[task] = [*self.means.get(task, []), total / count][-2:]
            self.steps, self.sums = 0, {}

    def state_dict(self) -> dict[str, Any]:
        """The means so far."""
        sums = {task: list(pair) for task, pair in self.sums.items()}
        means = {task: list(pair) for task, pair in self.means.items()}
        return {"steps": self.steps, "sums": sums, "means": means}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the means so far."""
        self.steps = state["steps"]
        self.sums = {task: list(pair) for task, pair in state["sums"].items()}
        self.means = {task: list(pair) for task, pair in state["means"].items()}
