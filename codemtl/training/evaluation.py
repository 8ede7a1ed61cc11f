"""Periodic evaluation of every task on fixed validation micro-batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor

from codemtl.model.decoding import beam_search
from codemtl.model.network import Network
from codemtl.tasks.batches import Arrays, Batch
from codemtl.tasks.registry import TASKS
from codemtl.tasks.task import Task, TextTask
from codemtl.training.mixture import REAL, MicroBatches

_PREFIXED = ("dense", REAL)


class Validation:
    """The same micro-batches at every evaluation: made once, in memory."""

    def __init__(
        self, data: MicroBatches, batches: int, decode: Callable[[Sequence[int]], str]
    ) -> None:
        """``decode`` gives the text of pieces."""
        self.shards, self.kinds, self.decode = data.shards, data.kinds, decode
        self.specials = data.vocabulary.specials
        self.batches: list[tuple[Batch, str]] = []
        for task, kind in self.kinds.items():
            stages = kind.stages or ("",)
            if REAL in stages and data.real_alone:
                stages = (REAL,)
            for stage in stages:
                learned = stage != REAL or data.config.stages(task).get(REAL, 0.0) > 0
                if not learned or (stage == REAL and data.real is None):
                    continue
                for number in range(batches):
                    every = data.config.real_every if stage == REAL else 1
                    place = every * (number + 1) - 1
                    self.batches.append((data.make(task, place, stage), stage))

    @torch.no_grad()  # and nothing is compiled for it: that is for training
    @torch.compiler.set_stance("force_eager")  # type: ignore[untyped-decorator]
    def run(self, network: Network, device: torch.device) -> dict[str, float]:
        """Mean losses and accuracies, and what tasks measure of texts that the model writes.

        ``repair/joint_accuracy`` is over functions known to have one bug.
        """
        network.eval()
        sums: dict[str, float] = defaultdict(float)
        counts: dict[str, float] = defaultdict(float)
        for batch, stage in self.batches:
            prefix = f"{batch.task}/{stage}_" if stage in _PREFIXED else f"{batch.task}/"
            losses = network(batch.task, _tensors(batch.arrays, device), stage == "dense")
            for term, value in losses.items():
                sums[prefix + term] += float(value)
            for term, count in batch.counts.items():
                counts[prefix + term] += count
        row = {key: sums[key] / max(count, 1.0) for key, count in counts.items()}
        for task in _in_order(self.kinds):
            for measure, base in task.accuracies.items():
                if counts.get(f"{task.name}/{base}"):
                    right = sums[f"{task.name}/{measure}_correct"]
                    row[f"{task.name}/{measure}_accuracy"] = right / counts[f"{task.name}/{base}"]
            if isinstance(task, TextTask) and task.written:
                row |= self._written(task, network, device)
        network.train()
        return row

    def _written(self, task: TextTask, network: Network, device: torch.device) -> dict[str, float]:
        """What the task measures of the texts that greedy decoding writes."""
        texts, references = [], []
        for batch, _ in self.batches:
            if batch.task != task.name:
                continue
            found = beam_search(
                network, task.name, _tensors(batch.arrays, device),
                bos=self.specials.bos, eos=self.specials.eos, beams=1, limit=task.limit,
                no_repeat=task.no_repeat,
            )  # fmt: skip
            texts += [task.text(self.decode(row[0][0])) for row in found]
            for labels in batch.arrays["labels"]:
                references.append(task.text(self.decode(labels[labels >= 0].tolist())))
        measured = task.measure(texts, references)
        return {f"{task.name}/{key}": value for key, value in measured.items()}


def _tensors(arrays: Arrays, device: torch.device) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value).to(device) for key, value in arrays.items()}


def _in_order(kinds: Mapping[str, Task]) -> list[Task]:
    """The tasks of a run in the registry's order, whatever that of its configuration."""
    return [kinds[name] for name in TASKS if name in kinds]


def scored(row: Mapping[str, float]) -> dict[str, float]:
    """The measures of each task that take part in the choice of the checkpoint."""
    keys = [
        f"{name}/{measure}"
        for name, task in TASKS.items()
        for measure in (task.score, task.real_score)
    ]
    return {key: row[key] for key in keys if key in row}


def score(row: Mapping[str, float]) -> float:
    """What the one checkpoint is chosen by, higher is better, declared beforehand.

    The mean over the tasks of the measures that each of them names: for the three that ship, joint
    accuracy of single bugs (made ones and, where the run learns from them, real ones, or where it
    learns from these alone, only these), and exact pieces of summaries and of generated lines.
    """
    parts: dict[str, list[float]] = defaultdict(list)
    for key, value in scored(row).items():
        parts[key.partition("/")[0]].append(value)
    return sum(map(fmean, parts.values())) / max(len(parts), 1)
