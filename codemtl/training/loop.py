"""One joint training step, readable from top to bottom, and the loop around it.

    L(θ) = Σ_i λ_i L_i(θ),   L_i = Σ_terms w · (sum over the window) / (count over the window)

The window is all micro-batches of one optimizer step on all ranks; each micro-batch holds one
task. Gradients are accumulated locally and reduced once, so tasks absent from a rank do no harm.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from codemtl.model.network import Network
from codemtl.training.config import TrainingConfig
from codemtl.training.optimizer import make_optimizer
from codemtl.training.weighting import Weighting

MicroBatch = dict[str, Any]


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to ``final_rate`` of the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
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
    ) -> None:
        self.config, self.network, self.weighting = config, network, weighting
        self.accelerator = accelerator
        self.optimizer = make_optimizer(network, config)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.step = 0
        self.task_losses: dict[str, float] | None = None

    def train_step(self, window: list[MicroBatch]) -> dict[str, float]:
        """One optimizer step over a window of micro-batches; returns what to log."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step)
        counts = self._window_counts(window)
        weights = self.weighting.weights(self.task_losses)
        sums = self.accumulate(window, counts, weights)
        self._reduce_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return self._report(self._over_ranks(sums), counts, weights, float(norm))

    def accumulate(
        self,
        window: list[MicroBatch],
        counts: Mapping[tuple[str, str], float],
        weights: Mapping[str, float],
    ) -> dict[tuple[str, str], Tensor]:
        """Add the window's gradient on this rank; returns the sums of its loss terms."""
        sums: dict[tuple[str, str], Tensor] = {}
        for micro in window:
            task, arrays = micro["task"], _to(micro["arrays"], self.accelerator.device)
            with self.accelerator.autocast():
                terms = self.network(task, arrays, micro["dense"])
            loss = sum(
                terms[term] * (self._term(task, term) / max(counts[task, term], 1.0))
                for term in terms
                if (task, term) in counts
            )
            self.accelerator.backward(loss * weights[task])
            for term, value in terms.items():
                own = value.detach().float()
                sums[task, term] = sums[task, term] + own if (task, term) in sums else own
        return sums

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

    def _term(self, task: str, term: str) -> float:
        return self.config.tasks[task].terms.get(term, 1.0)

    def _reduce_gradients(self) -> None:
        """Sum gradients over ranks; the window's denominators already count all ranks.

        A parameter without a gradient on any rank keeps none, as on a single process.
        """
        if self.accelerator.num_processes == 1:
            return
        device = self.accelerator.device
        here = torch.tensor([float(p.grad is not None) for p in self.parameters], device=device)
        present = self.accelerator.reduce(here, "sum").tolist()
        used = [p for p, ranks in zip(self.parameters, present, strict=True) if ranks]
        if not used:
            return
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in used]
        flat = self.accelerator.reduce(torch.cat([part.flatten() for part in parts]), "sum")
        for parameter, part in zip(used, flat.split([p.numel() for p in used]), strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def _over_ranks(self, sums: dict[tuple[str, str], Tensor]) -> dict[tuple[str, str], float]:
        """Loss sums of the window over all ranks, which share the schedule of tasks."""
        keys = sorted(sums)
        values = torch.stack([sums[key] for key in keys])
        if self.accelerator.num_processes > 1:
            values = self.accelerator.reduce(values, "sum")
        return dict(zip(keys, values.tolist(), strict=True))

    def _report(
        self,
        sums: dict[tuple[str, str], float],
        counts: dict[tuple[str, str], float],
        weights: dict[str, float],
        norm: float,
    ) -> dict[str, float]:
        """Mean loss of each term and task, and the gradient's norm."""
        row: dict[str, float] = {"gradient_norm": norm}
        losses: dict[str, float] = defaultdict(float)
        for (task, term), value in sums.items():
            if (task, term) in counts:
                mean = value / max(counts[task, term], 1.0)
                row[f"{task}/{term}"] = mean
                losses[task] += mean * self._term(task, term)
        for task, loss in losses.items():
            row[f"{task}/loss"] = loss
            row[f"{task}/weight"] = weights[task]
        self.task_losses = dict(losses)
        return row


def _to(arrays: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {key: value.to(device, non_blocking=True) for key, value in arrays.items()}


def windows(loader: Iterator[MicroBatch], size: int) -> Iterator[list[MicroBatch]]:
    """Group micro-batches into the windows of optimizer steps."""
    window: list[MicroBatch] = []
    for micro in loader:
        window.append(micro)
        if len(window) == size:
            yield window
            window = []


class Meter:
    """Mean of what the steps report, tokens a second and padding, since the last reading."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.tokens = self.slots = 0
        self.rows: dict[str, list[float]] = defaultdict(list)
        self.since = time.perf_counter()

    def add(self, window: list[MicroBatch], row: dict[str, float]) -> None:
        """Count a window and what its step reported."""
        self.tokens += sum(micro["tokens"] for micro in window)
        self.slots += sum(micro["slots"] for micro in window)
        for key, value in row.items():
            self.rows[key].append(value)

    def pause(self, seconds: float) -> None:
        """Leave out time that was spent on something else than training."""
        self.since += seconds

    def read(self) -> dict[str, float]:
        """Means, tokens/s (padding excluded) and padding share; starts a new measurement."""
        row = {key: sum(values) / len(values) for key, values in self.rows.items()}
        elapsed = max(time.perf_counter() - self.since, 1e-9)
        row["tokens_per_second"] = self.tokens / elapsed
        row["padding"] = 1 - self.tokens / max(self.slots, 1)
        self._start()
        return row


def log_folder(out: Path) -> Path:
    """Where TensorBoard finds the curves of a run."""
    return out / "logs"
