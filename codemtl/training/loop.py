"""One joint training step, readable from top to bottom.

    L(θ) = Σ_i λ_i w_i L_i(θ),   L_i = Σ_terms w · (sum over the window) / (count over the window)

The window is all micro-batches of one optimizer step on all ranks; each micro-batch holds one
task. Gradients are accumulated locally and reduced once, so tasks absent from a rank do no harm.
Methods on gradients find w_i between the backward passes and the update; for them the shared
parameters' gradient is taken task by task. The heads' gradients are their own task's alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codemtl.errors import UsageError
from codemtl.model.network import Network
from codemtl.training.clock import Clock
from codemtl.training.config import TrainingConfig
from codemtl.training.divergence import check_gradient
from codemtl.training.gradients import (
    TaskGradients,
    agreed,
    make_equal,
    reduce_gradients,
    shared_parameters,
)
from codemtl.training.optimizer import make_optimizer
from codemtl.training.packing import on_device
from codemtl.training.probes import Probes, task_loss
from codemtl.training.sharding import clip_gradients, is_sharded, shard
from codemtl.training.weighting import Weighting

MicroBatch = dict[str, Any]
Sums = dict[tuple[str, str], Tensor]  # (task, term) -> sum of a loss over micro-batches
Counts = Mapping[tuple[str, str], float]  # (task, term) -> what the sum is divided by


def learning_rate(
    config: TrainingConfig, step: int, elapsed: float = 0.0, warmup: float | None = None
) -> float:
    """Linear warm-up, then a cosine down to ``final_rate`` of the peak.

    The cosine follows the steps or ``elapsed``, the share of the time that is over, whichever is
    further. The ``warmup`` is in steps; None: the configured one.
    """
    warmup = config.warmup if warmup is None else warmup
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    place = max(step, elapsed * config.steps)
    progress = (place - warmup) / max(1, config.steps - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


class Trainer:
    """What a step needs, and what a checkpoint holds."""

    def __init__(
        self,
        config: TrainingConfig,
        network: Network,
        weighting: Weighting,
        accelerator: Accelerator,
        probes: Probes | None = None,
    ) -> None:
        self.config, self.network, self.weighting = config, network, weighting
        self.accelerator, self.probes = accelerator, probes
        make_equal(network, accelerator)
        self.sharded = shard(network, accelerator)
        if self.sharded and weighting.on_gradients:
            raise UsageError(
                f"weighting.name = {config.weighting['name']} needs whole gradients, and FSDP "
                "spreads the trunk's over the processes; launch without --use_fsdp"
            )
        self.optimizer = make_optimizer(network, config)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.shared = shared_parameters(network)
        self.clock = Clock(config, accelerator)
        self.step = 0
        self.data = ""  # fingerprint of what is learned from, which checkpoints note

    def train_step(self, window: list[MicroBatch]) -> dict[str, float]:
        """One optimizer step over a window of micro-batches; returns what to log.

        Raises UsageError on all ranks if the gradient is not finite; the network is spoilt then.
        """
        self.clock.start()
        rate = learning_rate(self.config, self.step, self.clock.progress, self.clock.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        counts = self._window_counts(window)
        weights = self._weights()
        sums, weights, norms = self.backward(window, counts, weights)
        norm = clip_gradients(self.parameters, self.config.clip, self.accelerator)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        row, losses = self._report(self._over_ranks(sums), counts, weights)
        # only here, where the sums were waited for: a wait of its own would hold up a GPU
        check_gradient(float(norm), losses, self.config, self.step + 1, self.accelerator)
        self.step += 1
        self.weighting.observe(losses, norms)
        if self.weighting.probe_every and self.step % self.weighting.probe_every == 0:
            assert self.probes is not None, "this weighting needs validation data"
            self.weighting.observe_probe(self.probes.fixed_losses(self.network))
        self.clock.tick()
        return {**row, "gradient_norm": float(norm)}

    def backward(
        self, window: list[MicroBatch], counts: Counts, weights: Mapping[str, float]
    ) -> tuple[Sums, dict[str, float], dict[str, float]]:
        """Give all parameters the window's gradient over all ranks.

        Returns this rank's sums of loss terms, the weights λ_i w_i of the shared parameters, and
        the norms of the tasks' gradients of one matrix if the weighting asks for them.
        """
        by_task = _by_task(window)
        tasks, kept = list(by_task), self._kept(by_task)
        gradients = TaskGradients(kept, len(tasks)) if kept else None
        sums: Sums = {}
        for row, task in enumerate(tasks):
            sums |= self.accumulate(by_task[task], counts, weights)
            if gradients is not None:
                gradients.take(row)
        reduced = {id(p) for p in [*kept, *(p for p in self.parameters if is_sharded(p))]}
        reduce_gradients([p for p in self.parameters if id(p) not in reduced], self.accelerator)
        found, norms = {task: weights[task] for task in tasks}, {}
        if gradients is not None:
            gradients.reduce(self.accelerator)
            gramian = gradients.gramian()
            factors = [1.0] * len(tasks)
            if self.weighting.on_gradients:
                factors = self.weighting.combine(gramian, tasks, self.step)
                factors = agreed(factors, self.accelerator)
            gradients.put(factors)
            norms = dict(zip(tasks, gramian.diagonal().sqrt().tolist(), strict=True))
            found = {task: found[task] * w for task, w in zip(tasks, factors, strict=True)}
        return sums, found, norms

    def accumulate(
        self, micros: Sequence[MicroBatch], counts: Counts, weights: Mapping[str, float]
    ) -> Sums:
        """Add the gradient of micro-batches on this rank; returns the sums of their loss terms."""
        sums: Sums = {}
        for micro in micros:
            task, arrays = micro["task"], on_device(micro["arrays"], self.accelerator.device)
            with self.accelerator.autocast():
                terms = self.network(task, arrays, micro["dense"])
            shares = {term: counts[task, term] for term in terms if (task, term) in counts}
            loss = task_loss(self.config.tasks[task].terms, terms, shares)
            self.accelerator.backward(loss * weights[task])
            for term, value in terms.items():
                own = value.detach().float()
                sums[task, term] = sums[task, term] + own if (task, term) in sums else own
        return sums

    def _weights(self) -> dict[str, float]:
        """λ_i w_i of every task, the same on all ranks."""
        found = self.weighting.weights(self.step)
        factors = agreed(list(found.values()), self.accelerator)
        pairs = zip(found, factors, strict=True)
        return {task: self.config.tasks[task].weight * factor for task, factor in pairs}

    def _kept(self, by_task: Mapping[str, Any]) -> list[nn.Parameter]:
        """Parameters whose gradient is taken by task; a window of one task is a plain step."""
        if len(by_task) < 2:
            return []
        if self.weighting.on_gradients:
            return self.shared
        matrices = [parameter for parameter in self.shared if parameter.ndim == 2]
        return matrices[-1:] if self.weighting.wants_norms else []

    def _window_counts(self, window: list[MicroBatch]) -> dict[tuple[str, str], float]:
        """Denominators of every loss term over the window and all ranks."""
        counts: dict[tuple[str, str], float] = defaultdict(float)
        for micro in window:
            for term, count in micro["counts"].items():
                counts[micro["task"], term] += count
        if self.accelerator.num_processes > 1:
            keys = sorted(counts)
            total = self.accelerator.reduce(
                torch.tensor([counts[key] for key in keys], device=self.accelerator.device), "sum"
            )
            counts = defaultdict(float, zip(keys, total.tolist(), strict=True))
        return counts

    def _over_ranks(self, sums: Sums) -> dict[tuple[str, str], float]:
        """Loss sums of the window over all ranks, which share the schedule of tasks."""
        keys = sorted(sums)
        values = torch.stack([sums[key] for key in keys])
        if self.accelerator.num_processes > 1:
            values = self.accelerator.reduce(values, "sum")
        return dict(zip(keys, values.tolist(), strict=True))

    def _report(
        self, sums: Mapping[tuple[str, str], float], counts: Counts, weights: Mapping[str, float]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """What to log: mean loss of each term and task, weights; and the tasks' losses."""
        row: dict[str, float] = {}
        losses: dict[str, float] = defaultdict(float)
        for (task, term), value in sums.items():
            if (task, term) in counts:
                mean = value / max(counts[task, term], 1.0)
                row[f"{task}/{term}"] = mean
                losses[task] += mean * self.config.tasks[task].terms.get(term, 1.0)
        for task, loss in losses.items():
            row[f"{task}/loss"] = loss
            row[f"{task}/weight"] = weights[task]
        return row, dict(losses)


def _by_task(window: Sequence[MicroBatch]) -> dict[str, list[MicroBatch]]:
    """The window's micro-batches by task, in the order of names, which all ranks share."""
    found: dict[str, list[MicroBatch]] = {}
    for micro in sorted(window, key=lambda micro: str(micro["task"])):
        found.setdefault(micro["task"], []).append(micro)
    return found


def windows(loader: Iterator[MicroBatch], size: int) -> Iterator[list[MicroBatch]]:
    """Group micro-batches into the windows of optimizer steps."""
    window: list[MicroBatch] = []
    for micro in loader:
        window.append(micro)
        if len(window) == size:
            yield window
            window = []
