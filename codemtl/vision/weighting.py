"""L(θ) = Σ_i λ_i L_i(θ): how the losses of the tasks become one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from codemtl.vision.config import VisionConfig


class StaticWeighting(nn.Module):
    """Fixed λ_i."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum."""
        return torch.stack([loss * self.weights[task] for task, loss in losses.items()]).sum()


class UncertaintyWeighting(nn.Module):
    """λ_i = exp(-s_i), with s_i learned and s_i / 2 added (Kendall et al. 2018, arXiv 1705.07115).

    s_i is the logarithm of the task's noise; it starts at 0, that is at equal weights.
    """

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.logs = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in tasks})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum and its penalty."""
        parts = [loss * (-self.logs[task]).exp() + self.logs[task] / 2
                 for task, loss in losses.items()]  # fmt: skip
        return torch.stack(parts).sum()


def make_weighting(config: VisionConfig) -> StaticWeighting | UncertaintyWeighting:
    """The weighting of a configuration."""
    if config.weighting == "uncertainty":
        return UncertaintyWeighting(config.tasks)
    return StaticWeighting({"cls": config.weight_cls, "det": config.weight_det})
