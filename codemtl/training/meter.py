"""What the steps since the last log row amount to: means, tokens a second, shares, memory."""

from __future__ import annotations

import time
from collections import defaultdict

import psutil
import torch

from codemtl.training.loop import MicroBatch

_MIB = 1 << 20


class Meter:
    """Means of what the steps report, and measures of the windows, since the last reading."""

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._start()

    def _start(self) -> None:
        self.tokens: dict[str, int] = defaultdict(int)
        self.slots = 0
        self.epochs: dict[str, float] = {}
        self.rows: dict[str, list[float]] = defaultdict(list)
        self.since = time.perf_counter()

    def add(self, window: list[MicroBatch], row: dict[str, float]) -> None:
        """Count a window and what its step reported."""
        for micro in window:
            self.tokens[micro["task"]] += micro["tokens"]
            self.epochs[micro["task"]] = micro["epoch"]
            self.slots += micro["slots"]
        for key, value in row.items():
            self.rows[key].append(value)

    def pause(self, seconds: float) -> None:
        """Leave out time that was spent on something else than training."""
        self.since += seconds

    def read(self) -> dict[str, float]:
        """The row of the log; starts a new measurement.

        Tokens/s of all processes, padding excluded; ``TASK/share`` of these tokens, ``TASK/epoch``
        passes over the task's data so far (above 1: examples come again); peak memory in MiB.
        """
        row = {key: sum(values) / len(values) for key, values in self.rows.items()}
        total = sum(self.tokens.values())
        for task in sorted(self.tokens):
            row[f"{task}/share"] = self.tokens[task] / max(total, 1)
            row[f"{task}/epoch"] = self.epochs[task]
        elapsed = max(time.perf_counter() - self.since, 1e-9)
        row["tokens_per_second"] = self.processes * total / elapsed
        row["padding"] = 1 - total / max(self.slots, 1)
        row["memory"] = memory()
        self._start()
        return row


def memory() -> float:
    """MiB: the most that tensors took on a GPU; what the process holds now on a CPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / _MIB
    return float(psutil.Process().memory_info().rss) / _MIB
