"""Weights for convergence at one pace: w = m (DF · RCS + (1 - DF) · ACS), by validation slopes.

CoBa, Gong et al. 2024, https://arxiv.org/abs/2410.06741. α_i(t) is the slope of a line through the
last ``history`` validation losses of task i, each relative to the first:

    RCS_i = softmax_i(m α_i / Σ_j |α_j|)             slow tasks weigh more
    ACS_i = softmax_i(-h α_i / Σ_t |α_i(t)|)         tasks that diverge weigh less
    DF    = min(1, t softmax_t(-τ t α_max / Σ_t |α_max(t)|))   near 1 while all converge

Divergence shows in validation losses alone, so training losses would not do: every ``every`` steps
the losses of a small fixed validation set are taken (forward passes only, a quarter of a
micro-batch a task). Weights are one until ``warmup`` such probes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.errors import UsageError
from codemtl.training.weighting import Weighting
from codemtl.training.weighting.measures import TINY, checked_positive, slope, softmax


class CoBa(Weighting):
    """Weights by validation losses."""

    def __init__(
        self,
        tasks: Sequence[str],
        seed: int,
        *,
        every: int = 50,
        history: int = 20,
        warmup: int = 4,
        tau: float = 5.0,
    ) -> None:
        super().__init__(tasks, seed)
        checked_positive(every=every, history=history, tau=tau)
        self.probe_every, self.history, self.tau = every, history, tau
        self.warmup = max(2, warmup)  # a slope needs two losses
        if self.warmup > history:
            raise UsageError(
                f"weighting.warmup is {self.warmup}, but weighting.history keeps {history} probes; "
                "set history to as many or more"
            )
        self.first: list[float] = []
        self.losses: list[list[float]] = []  # one row a probe, relative to the first
        self.slopes: list[list[float]] = []  # one row a probe since the warm-up
        self.steepest: list[float] = []  # max_i α_i(t), since the warm-up
        self.current = [1.0] * len(self.tasks)

    def weights(self, step: int) -> dict[str, float]:
        """As of the last probe."""
        return dict(zip(self.tasks, self.current, strict=True))

    def observe_probe(self, losses: Mapping[str, float]) -> None:
        """Take the losses of a probe and find the weights anew."""
        row = [losses[task] for task in self.tasks]
        self.first = self.first or [max(loss, TINY) for loss in row]
        relative = [loss / first for loss, first in zip(row, self.first, strict=True)]
        self.losses = [*self.losses, relative][-self.history :]
        if len(self.losses) < self.warmup:
            return
        slopes = [slope(column) for column in zip(*self.losses, strict=True)]
        self.slopes = [*self.slopes, slopes][-self.history :]
        self.steepest.append(max(slopes))
        count = len(slopes)
        rcs = softmax(_scaled(slopes, slopes))
        acs = softmax([-_scaled(column, column)[-1] for column in zip(*self.slopes, strict=True)])
        pace = softmax([-self.tau * value for value in _scaled(self.steepest, self.steepest)])
        factor = min(1.0, len(pace) * pace[-1])
        self.current = [
            count * (factor * one + (1 - factor) * other)
            for one, other in zip(rcs, acs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Losses, slopes and weights so far."""
        return {key: getattr(self, key) for key in _STATE}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore ``state_dict``."""
        for key in _STATE:
            setattr(self, key, list(state[key]))


_STATE = ("first", "losses", "slopes", "steepest", "current")


def _scaled(values: Sequence[float], by: Sequence[float]) -> list[float]:
    """Values over the mean absolute value."""
    total = max(sum(abs(value) for value in by), TINY)
    return [len(by) * value / total for value in values]
