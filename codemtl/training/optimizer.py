"""Muon for the matrices inside the layers, AdamW for everything else, in one optimizer.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum of a
matrix by the nearest semi-orthogonal one, so that all its directions learn at the same pace; it is
scaled to the size of AdamW's updates (Liu et al. 2025, arXiv:2502.16982), so both share a learning
rate. Embeddings, vectors and the last layers of heads take AdamW (arXiv:1711.05101), and so does
a pretrained trunk, which AdamW made, at a rate of its own.
"""

from __future__ import annotations

from collections import defaultdict
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


def orthogonalised(matrices: Tensor, dtype: torch.dtype, rounds: int = 5) -> Tensor:
    """The semi-orthogonal ones next to ``matrices`` [..., M, N]: a Newton-Schulz iteration."""
    a, b, c = _QUINTIC
    x: Tensor = matrices.to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrices.dtype)


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
            found = [p for p in group["params"] if p.grad is not None]
            if found:
                torch._foreach_mul_(found, 1 - group["lr"] * group["weight_decay"])
                update = self._muon if group["muon"] else self._adamw
                update(found, [p.grad for p in found if p.grad is not None], group)

    def _muon(
        self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]
    ) -> None:
        """Matrices of one shape are iterated together: a GPU has little to do for one."""
        momenta = self._state(parameters, "momentum")
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        updates = torch._foreach_lerp(gradients, momenta, MOMENTUM)
        alike: dict[torch.Size, list[int]] = defaultdict(list)
        for index, parameter in enumerate(parameters):
            alike[parameter.shape].append(index)
        for shape, members in alike.items():
            found = orthogonalised(torch.stack([updates[index] for index in members]), self.dtype)
            step = -group["lr"] * 0.2 * max(shape) ** 0.5
            targets = [parameters[index] for index in members]
            torch._foreach_add_(targets, found.unbind(), alpha=step)

    def _adamw(
        self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]
    ) -> None:
        first, second = group["betas"]
        means, squares = self._state(parameters, "exp_avg"), self._state(parameters, "exp_avg_sq")
        counts = []
        for parameter in parameters:
            count = self.state[parameter].setdefault("step", torch.zeros((), dtype=torch.float32))
            count += 1
            counts.append(float(count))
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        scales = torch._foreach_div(squares, [1 - second**count for count in counts])
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, EPSILON)
        steps = [-group["lr"] / (1 - first**count) for count in counts]
        torch._foreach_addcdiv_(parameters, means, scales, steps)

    def _state(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """One tensor of state for each parameter, zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def make_optimizer(network: nn.Module, config: TrainingConfig) -> MuonAdamW:
    """Matrices inside layers by Muon with decay, the rest by AdamW without; a trunk by AdamW."""
    inside: list[Tensor] = []
    rest: list[Tensor] = []
    trunk: dict[bool, list[Tensor]] = {True: [], False: []}  # matrices, vectors
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith(TRUNK):
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
