"""Looks at the network on small validation micro-batches, which change nothing of the training.

A probe is one micro-batch a task, a quarter of the training's in tokens. Its gradients are taken
by ``torch.autograd.grad``, so no parameter's ``.grad`` is touched; no random number is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codemtl.model.network import Network
from codemtl.training.config import TrainingConfig
from codemtl.training.mixture import REAL, MicroBatches

SIZE = 4  # a probe has 1 / SIZE of a micro-batch's tokens
STEP_LENGTH = 1e-3  # of a look-ahead step, relative to the norm of the shared parameters


def task_loss(
    terms: Mapping[str, float], sums: Mapping[str, Tensor], counts: Mapping[str, float]
) -> Tensor:
    """L_i: the sum of its terms, each weighted and divided by its count."""
    parts = [sums[term] * (terms.get(term, 1.0) / max(counts[term], 1.0)) for term in counts]
    return torch.stack(parts).sum()


class Probe(NamedTuple):
    """One micro-batch of a task."""

    task: str
    dense: bool
    arrays: dict[str, Tensor]
    counts: dict[str, float]


class Look(NamedTuple):
    """What the tasks' gradients of the shared parameters are like, tasks in ``tasks``' order."""

    tasks: list[str]
    norms: list[float]  # [m]
    cosines: list[list[float]]  # [m, m]
    affinity: list[list[float]] | None  # [i][j]: 1 - L_j after a step on i / L_j before


class Probes:
    """Validation micro-batches of every task, by number."""

    def __init__(
        self, config: TrainingConfig, data: MicroBatches, accelerator: Accelerator
    ) -> None:
        self.config, self.data, self.accelerator = config, data, accelerator
        self._fixed: list[Probe] | None = None

    def _probe(self, task: str, number: int, stage: str) -> Probe:
        if stage == REAL:  # one of the micro-batches that hold real bugs
            number = (number + 1) * self.config.real_every - 1
        batch = self.data.make(task, number, stage)
        device = self.accelerator.device
        arrays = {key: torch.from_numpy(value).to(device) for key, value in batch.arrays.items()}
        return Probe(task, stage == "dense", arrays, batch.counts)

    def _loss(self, network: Network, probe: Probe) -> Tensor:
        with self.accelerator.autocast():
            sums = network(probe.task, probe.arrays, probe.dense)
        return task_loss(self.config.tasks[probe.task].terms, sums, probe.counts)

    @torch.no_grad()
    def fixed_losses(self, network: Network) -> dict[str, float]:
        """The loss of every task on its first probe, in the last stage of its curriculum."""
        if self._fixed is None:
            stages = {task: self.config.last_stage(task) for task in self.config.tasks}
            tasks = [task for task in self.config.tasks if task in self.data.plans]
            self._fixed = [self._probe(task, 0, stages[task]) for task in tasks]
        network.eval()
        found = {probe.task: float(self._loss(network, probe)) for probe in self._fixed}
        network.train()
        return found

    def look(
        self, network: Network, shared: Sequence[nn.Parameter], number: int,
        stages: Mapping[str, str], *, affinity: bool = False,
    ) -> Look:  # fmt: skip
        """Compare the gradients of probe ``number`` of all tasks; see `Look`."""
        probes = [self._probe(task, number, stages[task]) for task in self.data.plans]
        rows, losses = [], []
        for probe in probes:
            loss = self._loss(network, probe)
            parts = torch.autograd.grad(loss, list(shared), allow_unused=True)
            rows.append(torch.cat([
                torch.zeros_like(p).flatten() if part is None else part.flatten()
                for p, part in zip(shared, parts, strict=True)
            ]).float())  # fmt: skip
            losses.append(float(loss.detach()))
        matrix = torch.stack(rows)
        gramian = (matrix @ matrix.T).double().cpu()
        norms = gramian.diagonal().clamp(min=1e-30).sqrt()
        ahead = None
        if affinity:
            ahead = self._affinity(network, shared, probes, matrix, losses)
        return Look(
            [probe.task for probe in probes], norms.tolist(),
            (gramian / norms[:, None] / norms[None, :]).tolist(), ahead,
        )  # fmt: skip

    @torch.no_grad()
    def _affinity(
        self, network: Network, shared: Sequence[nn.Parameter], probes: Sequence[Probe],
        matrix: Tensor, losses: Sequence[float],
    ) -> list[list[float]]:  # fmt: skip
        """Fifty et al. 2021, arXiv:2109.04617: what a step on task i does to the loss of task j.

        All steps have one length, so that rows compare; the parameters are put back as they were.
        """
        saved = [parameter.detach().clone() for parameter in shared]
        sizes = [parameter.numel() for parameter in shared]
        length = STEP_LENGTH * float(torch.cat([value.flatten() for value in saved]).norm())
        found = []
        for row in matrix:
            step = row * (length / max(float(row.norm()), 1e-30))
            for parameter, before, part in zip(shared, saved, step.split(sizes), strict=True):
                parameter.copy_(before - part.view_as(before))
            after = [float(self._loss(network, probe)) for probe in probes]
            found.append([
                1 - now / max(then, 1e-30) for now, then in zip(after, losses, strict=True)
            ])  # fmt: skip
        for parameter, before in zip(shared, saved, strict=True):
            parameter.copy_(before)
        return found


def as_row(look: Look) -> dict[str, float]:
    """A look as a row of the log."""
    row: dict[str, Any] = {}
    for i, task in enumerate(look.tasks):
        row[f"{task}/gradient_norm"] = look.norms[i]
        for j, other in enumerate(look.tasks):
            if i < j:
                row[f"cosine/{task}/{other}"] = look.cosines[i][j]
            if look.affinity is not None:
                row[f"affinity/{task}/{other}"] = look.affinity[i][j]
    return row
