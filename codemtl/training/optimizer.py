"""Muon for the matrices inside the layers, AdamW for everything else, in one optimizer.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum of a
matrix by the nearest semi-orthogonal one, so that all its directions learn at the same pace; it is
scaled to the size of AdamW's updates (Liu et al. 2025, arXiv:2502.16982), so both share a learning
rate. Embeddings, vectors and the last layers of heads take AdamW (arXiv:1711.05101), and so does
a pretrained trunk, which AdamW made, at a rate of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from codemtl.training.config import TrainingConfig

MOMENTUM = 0.95
EPSILON = 1e-8
_QUINTIC = (3.4445, -4.7750, 2.0315)
TRUNK = "encoder.trunk."  # the names of what was pretrained elsewhere
_TRUNK_RATES = {"full": 0.05, "frozen": 0.05, "lora": 0.3}  # relative to the rest's
_OUTPUTS = ("embedding", "family", "action", "score", "neighbours")


def orthogonalised(matrix: Tensor, dtype: torch.dtype, rounds: int = 5) -> Tensor:
    """The semi-orthogonal matrix next to ``matrix`` [M, N]: a Newton-Schulz iteration."""
    a, b, c = _QUINTIC
    x: Tensor = matrix.to(dtype)
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class MuonAdamW(torch.optim.Optimizer):
    """Parameter groups with ``muon`` true or false; the state of both kinds is plain tensors.

    ``rate`` is a group's learning rate relative to the schedule's.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dtype = dtype  # of the iteration; bfloat16 is fast only where autocast is
        defaults = {"lr": lr, "betas": betas, "weight_decay": 0.0, "muon": False, "rate": 1.0}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update; parameters without a gradient stay as they are."""
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    update(parameter, parameter.grad, group)

    def _muon(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        update = orthogonalised(gradient.lerp(momentum, MOMENTUM), self.dtype)
        parameter.add_(update, alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)

    def _adamw(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        first, second = group["betas"]
        state["step"] += 1
        count = float(state["step"])
        mean = state["exp_avg"].lerp_(gradient, 1 - first)
        square = state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = (square / (1 - second**count)).sqrt_().add_(EPSILON)
        parameter.addcdiv_(mean, scale, value=-group["lr"] / (1 - first**count))


def make_optimizer(network: nn.Module, config: TrainingConfig) -> MuonAdamW:
    """Matrices inside layers by Muon with decay, the rest by AdamW without; a trunk by AdamW."""
    inside: list[Tensor] = []
    rest: list[Tensor] = []
    trunk: dict[bool, list[Tensor]] = {True: [], False: []}  # matrices, vectors
    for name, parameter in network.named_parameters():
        if name.startswith(TRUNK):
            if parameter.requires_grad:
                trunk[parameter.ndim == 2].append(parameter)
            continue
        is_output = any(word in name for word in _OUTPUTS)
        (inside if parameter.ndim == 2 and not is_output else rest).append(parameter)
    rate = config.encoder_rate or _TRUNK_RATES[config.model.tuning]
    groups: list[dict[str, Any]] = [
        {"params": inside, "weight_decay": config.weight_decay, "muon": True},
        {"params": rest},
        {"params": trunk[True], "weight_decay": config.weight_decay, "rate": rate},
        {"params": trunk[False], "rate": rate},
    ]
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    return MuonAdamW(groups, config.learning_rate, (0.9, config.beta2), dtype)
