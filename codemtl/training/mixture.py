"""Which examples make which micro-batch: a pure function of (seed, position), so resume is exact.

A micro-batch holds one task. The task of micro-batch i is drawn by the sampling shares q; its
examples come from a plan that buckets a shuffled epoch by length so that little is padding. A task
that runs out of data begins its next epoch, and says so: ``epoch`` counts passes. Corruption is
drawn from (seed, epoch, index), never from a worker's state.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from codemtl.errors import DataError
from codemtl.tasks import generate, repair, summarize
from codemtl.tasks.batches import Batch, SpecialIds
from codemtl.tasks.example import Example, Layout
from codemtl.training.config import TrainingConfig
from codemtl.training.shards import Shards

POOL = 4096  # examples sorted by length together
MAX_ROWS = 256  # of a micro-batch
_TASK_NUMBER = {"repair": 0, "summarize": 1, "generate": 2}
REAL = "real"  # stage of repair: every other micro-batch holds real bugs, if the shards have any
_REAL_NUMBER = 3


class Plan:
    """Micro-batches of one task, epoch after epoch."""

    def __init__(
        self, members: NDArray[Any], lengths: NDArray[Any], tokens: int, seed: int
    ) -> None:
        self.members, self.lengths, self.tokens, self.seed = members, lengths, tokens, seed
        self._epochs: dict[int, list[NDArray[Any]]] = {}  # the newest two
        self._ends: list[int] = []  # micro-batches until the end of each epoch so far

    def batch(self, number: int) -> tuple[int, NDArray[Any]]:
        """(epoch, indices) of micro-batch ``number`` since the start of training."""
        while not self._ends or number >= self._ends[-1]:
            before = self._ends[-1] if self._ends else 0
            self._ends.append(before + len(self._epoch(len(self._ends))))
        epoch = bisect_right(self._ends, number)
        return epoch, self._epoch(epoch)[number - (self._ends[epoch - 1] if epoch else 0)]

    def passes(self, number: int) -> float:
        """Passes over the data after micro-batch ``number``; exactly 1 after the first epoch."""
        epoch, _ = self.batch(number)
        before = self._ends[epoch - 1] if epoch else 0
        return epoch + (number + 1 - before) / (self._ends[epoch] - before)

    def _epoch(self, epoch: int) -> list[NDArray[Any]]:
        if epoch not in self._epochs:
            self._epochs[epoch] = self._make(epoch)
            while len(self._epochs) > 2:
                del self._epochs[next(iter(self._epochs))]
        return self._epochs[epoch]

    def _make(self, epoch: int) -> list[NDArray[Any]]:
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(self.members)
        batches = []
        for low in range(0, len(order), POOL):
            pool = order[low : low + POOL]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            start = 0
            while start < len(pool):
                stop = start + 1
                while (
                    stop < len(pool)
                    and stop - start < MAX_ROWS
                    and int(self.lengths[pool[stop]]) * (stop - start + 1) <= self.tokens
                ):
                    stop += 1
                batches.append(pool[start:stop])
                start = stop
        return [batches[index] for index in rng.permutation(len(batches))]


class MicroBatches(Dataset[dict[str, Any]]):
    """Micro-batch i of the run on this rank, as torch arrays; see the module's docstring."""

    def __init__(
        self,
        shards: Shards,
        specials: SpecialIds,
        layout: Layout,
        config: TrainingConfig,
        *,
        micro_batches: int,
        shrink: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """``shrink`` divides the tokens of a micro-batch."""
        self.shards, self.specials, self.layout = shards, specials, layout
        self.config, self.rank, self.world = config, rank, world
        members = learnable(shards)
        names = [task for task, settings in config.tasks.items() if settings.share > 0]
        for task in names:
            if not len(members[task]):
                raise DataError(f"the prepared data hold no example for {task}")
        self.plans: dict[str, Plan] = {}
        self.real: Plan | None = None
        for task in names:
            tokens = (config.tasks[task].micro_tokens or config.micro_tokens) // shrink
            seed = config.seed + _TASK_NUMBER[task]
            self.plans[task] = Plan(members[task], shards.lengths, tokens, seed)
        buggy = np.flatnonzero(shards.buggy)
        if len(buggy) and "repair" in self.plans:
            tokens = (config.tasks["repair"].micro_tokens or config.micro_tokens) // shrink
            self.real = Plan(buggy, shards.lengths, tokens, config.seed + _REAL_NUMBER)
        self.shares = sampling_shares(config, {task: len(members[task]) for task in names})
        rng = np.random.default_rng((config.seed, 77))
        drawn = rng.choice(len(names), size=micro_batches, p=list(self.shares.values()))
        self.tasks = [names[index] for index in drawn]
        self.cursor = np.zeros(micro_batches, np.int64)
        for index in range(len(names)):
            hit = drawn == index
            self.cursor[hit] = np.arange(hit.sum())

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, number: int) -> dict[str, Any]:
        task = self.tasks[number]
        stage = self.config.stage(task, number, len(self))
        place = int(self.cursor[number]) * self.world + self.rank
        batch = self.make(task, place, stage)
        return {
            "task": task,
            "dense": stage == "dense",
            "epoch": self.plans[task].passes(place),
            "counts": batch.counts,
            "tokens": batch.tokens,
            "slots": batch.slots,
            "arrays": {key: torch.from_numpy(value) for key, value in batch.arrays.items()},
        }

    def make(self, task: str, number: int, stage: str = "") -> Batch:
        """Micro-batch ``number`` of a task, in a stage of its curriculum."""
        plan = self.plans[task]
        if stage == REAL and self.real is not None:
            plan, number = (plan, self.real)[number % 2], number // 2
        epoch, indices = plan.batch(number)
        examples: list[Example] = [self.shards[int(index)] for index in indices]
        if task == "summarize":
            return summarize.collate(examples, self.specials)
        seed = self.config.seed
        rngs = [np.random.default_rng((seed, epoch, int(index))) for index in indices]
        if task == "repair":
            dense = stage == "dense"
            corrupt = repair.corrupt_dense if dense else repair.corrupt_single
            inputs = [corrupt(e, rng) for e, rng in zip(examples, rngs, strict=True)]
            return repair.collate(inputs, self.specials, dense=dense)
        extent = generate.draw_extent(np.random.default_rng((seed, epoch, number)))
        spans = [
            generate.choose_span(e, self.layout, rng, extent)
            for e, rng in zip(examples, rngs, strict=True)
        ]
        pairs = [(e, span) for e, span in zip(examples, spans, strict=True) if span is not None]
        if not pairs:  # functions of one line only: learn to write that line
            pairs = [(examples[0], (0, len(examples[0].pieces)))]
        return generate.collate(
            [e for e, _ in pairs], [span for _, span in pairs], self.specials, self.layout
        )


def learnable(shards: Shards) -> dict[str, NDArray[Any]]:
    """Which examples each task can learn from."""
    everything = np.arange(len(shards))
    return {
        "repair": everything[(shards.site_counts > 0) & ~shards.buggy],
        "summarize": everything[summarize.usable_lengths(shards.summaries)],
        "generate": everything[~shards.buggy],
    }


def sampling_shares(config: TrainingConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    """q_i of the tasks with a number of examples: as configured, or by temperature."""
    if config.temperature:
        parts = {task: float(size) ** (1 / config.temperature) for task, size in sizes.items()}
    else:
        parts = {task: float(config.tasks[task].share) for task in sizes}
    whole = sum(parts.values())
    return {task: part / whole for task, part in parts.items()}
