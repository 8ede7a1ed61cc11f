"""Gradients as flat vectors, and their sums over ranks: each message is sent once.

The loop reduces gradients itself, so the network is never wrapped: a task that is absent from a
rank or a window does no harm, and each task's gradient can be had by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn


def shared_parameters(network: nn.Module) -> list[nn.Parameter]:
    """What every task trains: the encoder."""
    encoder = network.get_submodule("encoder")
    return [parameter for parameter in encoder.parameters() if parameter.requires_grad]


class TaskGradients:
    """The gradients of some parameters, one row a task: [m, P]."""

    def __init__(self, parameters: Sequence[nn.Parameter], tasks: int) -> None:
        self.parameters = list(parameters)
        self.sizes = [parameter.numel() for parameter in self.parameters]
        self.rows = self.parameters[0].new_zeros(tasks, sum(self.sizes), dtype=torch.float32)
        self.present = [False] * len(self.parameters)

    def take(self, row: int) -> None:
        """Move the gradients of the parameters into a row."""
        parts = torch.split(self.rows[row], self.sizes)
        for index, (parameter, part) in enumerate(zip(self.parameters, parts, strict=True)):
            if parameter.grad is not None:
                part.copy_(parameter.grad.flatten())
                self.present[index] = True
                parameter.grad = None

    def reduce(self, accelerator: Accelerator) -> None:
        """Sum the rows over ranks, which share the tasks of a window."""
        if accelerator.num_processes > 1:
            self.rows = accelerator.reduce(self.rows, "sum")

    def gramian(self) -> Tensor:
        """Inner products of the rows [m, m], fp64 on the CPU."""
        return (self.rows @ self.rows.T).double().cpu()

    def put(self, weights: Sequence[float]) -> None:
        """Give the parameters Σ w_i row_i; one that no task uses keeps none."""
        total = torch.tensor(weights, dtype=self.rows.dtype, device=self.rows.device) @ self.rows
        parts = zip(self.parameters, torch.split(total, self.sizes), self.present, strict=True)
        for parameter, part, present in parts:
            if present:
                parameter.grad = part.view_as(parameter).to(parameter.dtype)


def reduce_gradients(parameters: Sequence[nn.Parameter], accelerator: Accelerator) -> None:
    """Sum gradients over ranks; the window's denominators already count all ranks.

    A parameter without a gradient on any rank keeps none, as on a single process.
    """
    if accelerator.num_processes == 1:
        return
    device = accelerator.device
    here = torch.tensor([float(p.grad is not None) for p in parameters], device=device)
    present = accelerator.reduce(here, "sum").tolist()
    used = [p for p, ranks in zip(parameters, present, strict=True) if ranks]
    if not used:
        return
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in used]
    flat = accelerator.reduce(torch.cat([part.flatten() for part in parts]), "sum")
    for parameter, part in zip(used, flat.split([p.numel() for p in used]), strict=True):
        parameter.grad = part.view_as(parameter).clone()


def agreed(values: Sequence[float], accelerator: Accelerator) -> list[float]:
    """The first rank's values on all of them: processors may differ in a last bit."""
    if accelerator.num_processes == 1:
        return list(values)
    sent = torch.tensor(values, dtype=torch.float64, device=accelerator.device)
    found: list[float] = broadcast(sent).tolist()
    return found


@torch.no_grad()
def make_equal(network: nn.Module, accelerator: Accelerator) -> None:
    """Give every rank the first one's parameters and buffers."""
    if accelerator.num_processes > 1:
        for tensor in chain(network.parameters(), network.buffers()):
            tensor.copy_(broadcast(tensor.detach()))
