"""Which examples make which micro-batch: a pure function of (seed, position), so resume is exact.

A micro-batch holds one task. The task of micro-batch i is drawn by the sampling shares q; its
examples come from a plan that buckets a shuffled epoch by length so that little is padding. A task
that runs out of data begins its next epoch, and says so: ``epoch`` counts passes. Corruption is
drawn from (seed, epoch, index), never from a worker's state; which labels are wrong, where noise is
asked for, from (seed, task, index).
"""

from __future__ import annotations

import multiprocessing
from bisect import bisect_right
from collections.abc import Mapping
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from codemtl.errors import DataError
from codemtl.model.respelling import Respelling
from codemtl.tasks.batches import Batch, SpecialIds
from codemtl.tasks.example import Example, Layout
from codemtl.tasks.registry import TASKS
from codemtl.tasks.task import CLEAN, Draw, Vocabulary
from codemtl.training.config import TrainingConfig
from codemtl.training.label_noise import LabelNoise
from codemtl.training.schedule import draw_tasks
from codemtl.training.shards import Shards

POOL = 4096  # examples sorted by length together, or half of a micro-batch's tokens
MAX_ROWS = 256  # of a micro-batch, or one for each
ROW_TOKENS = 64  # of its tokens
REAL = "real"  # stage of repair: some micro-batches hold real bugs, if the shards have any
_REAL_ORDER = 3


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
        rows = max(MAX_ROWS, self.tokens // ROW_TOKENS)
        together = max(POOL, self.tokens // 2)
        for low in range(0, len(order), together):
            pool = order[low : low + together]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            start = 0
            while start < len(pool):
                stop = start + 1
                while (
                    stop < len(pool)
                    and stop - start < rows
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
        respelling: Respelling | None = None,
        shrink: int = 1,
        rank: int = 0,
        world: int = 1,
        kept: NDArray[np.bool_] | None = None,
        label_noise: float = 0.0,
    ) -> None:
        """``shrink`` divides the tokens of a micro-batch; ``respelling`` is for a trunk.

        Of the shards, ``kept`` [F] are used.
        """
        kept = np.ones(len(shards), np.bool_) if kept is None else kept
        self.shards, self.vocabulary = shards, Vocabulary(specials, layout)
        self.respelling = respelling
        self.config, self.rank, self.world = config, rank, world
        names = [task for task, settings in config.tasks.items() if settings.share > 0]
        self.kinds = {task: TASKS[task] for task in names}
        members = {
            task: np.flatnonzero(kind.usable(shards) & kept) for task, kind in self.kinds.items()
        }
        for task in names:
            if not len(members[task]):
                part = "" if kept.all() else f" in the {kept.mean():.1%} of them that are used"
                raise DataError(
                    f"the prepared data hold no example for {task}{part}; mine more code, or leave "
                    f"the task out by --set tasks.{task}.share=0"
                )
        self.noise = LabelNoise(label_noise, config.seed, shards, members)
        self.plans: dict[str, Plan] = {}
        self.real: Plan | None = None
        for task in names:
            tokens = (config.tasks[task].micro_tokens or config.micro_tokens) // shrink
            lengths = self.kinds[task].lengths(shards)
            self.plans[task] = Plan(members[task], lengths, tokens, config.seed + _order(task))
        buggy = np.flatnonzero(shards.buggy & kept)
        if len(buggy) and "repair" in self.plans:
            tokens = (config.tasks["repair"].micro_tokens or config.micro_tokens) // shrink
            self.real = Plan(buggy, shards.lengths, tokens, config.seed + _REAL_ORDER)
        self.shares = sampling_shares(config, {task: len(members[task]) for task in names})
        drawn = draw_tasks(list(self.shares.values()), micro_batches, config.seed)
        self.tasks = [names[index] for index in drawn]
        self.cursor = np.zeros(micro_batches, np.int64)
        for index in range(len(names)):
            hit = drawn == index
            self.cursor[hit] = np.arange(hit.sum())

    @property
    def real_alone(self) -> bool:
        """Whether repair learns from real bugs and from no made ones."""
        if self.real is None or (self.config.real_every > 1 and self.config.real_clean < 1):
            return False
        return [s for s, share in self.config.stages("repair").items() if share > 0] == [REAL]

    def check_real(self) -> None:
        """Raise DataError where repair shall learn from real bugs alone and there are none."""
        asked = [s for s, share in self.config.stages("repair").items() if share > 0]
        if "repair" in self.plans and asked == [REAL] and self.real is None:
            raise DataError(
                "tasks.repair.stages asks for real bugs alone, and the prepared data hold none; "
                "mine repositories with their histories"
            )

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, asked: int | tuple[int, int]) -> dict[str, Any]:
        """By number; a second one is its place in the curriculum if that is another."""
        number, at = asked if isinstance(asked, tuple) else (asked, asked)
        task = self.tasks[number]
        stage = self.config.stage(task, at, len(self))
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
        batch = self._make(task, number, stage)
        if self.respelling is not None:
            batch.arrays |= self.respelling.arrays(batch.arrays)
        return batch

    def _make(self, task: str, number: int, stage: str) -> Batch:
        plan, every = self.plans[task], self.config.real_every
        if stage == REAL and self.real is not None and number % every == every - 1:
            plan, number = self.real, number // every
        epoch, indices = plan.batch(number)
        examples: list[Example] = [self.shards[int(index)] for index in indices]
        others = self.noise.others(task, indices.tolist())
        clean = self.config.real_clean if stage == REAL and self.real is not None else CLEAN
        draw = Draw(self.config.seed, epoch, number, indices.tolist(), stage, others, clean)
        return self.kinds[task].batch(examples, self.vocabulary, draw)


def _order(task: str) -> int:
    """Added to the seed, so that each task has an order of examples of its own."""
    place = list(TASKS).index(task)
    return place + (place >= _REAL_ORDER)


def sampling_shares(config: TrainingConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    """q_i of the tasks with a number of examples: as configured, or by temperature."""
    if config.temperature:
        most = max(sizes.values())  # relative to it no power is too large a number
        parts = {task: (size / most) ** (1 / config.temperature) for task, size in sizes.items()}
    else:
        parts = {task: float(config.tasks[task].share) for task in sizes}
    whole = sum(parts.values())
    return {task: part / whole for task, part in parts.items()}


def workers_context() -> BaseContext:
    """How workers that make micro-batches start: forked, from one that has imported what they need.

    Each would import torch itself otherwise, one after the other.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
