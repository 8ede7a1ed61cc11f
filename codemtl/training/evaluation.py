"""Periodic evaluation of every task on fixed validation micro-batches."""

from __future__ import annotations

from collections import defaultdict

import torch

from codemtl.model.network import Network
from codemtl.tasks.batches import Batch
from codemtl.training.config import STAGES
from codemtl.training.mixture import REAL, MicroBatches


class Validation:
    """The same micro-batches at every evaluation: made once, in memory."""

    def __init__(self, data: MicroBatches, batches: int) -> None:
        self.shards = data.shards
        self.batches: list[tuple[Batch, str]] = []
        for task in data.plans:
            for stage in STAGES.get(task) or ("",):
                if stage == REAL and data.real is None:
                    continue
                for number in range(batches):  # every other one of that stage is of real bugs
                    place = 2 * number + 1 if stage == REAL else number
                    self.batches.append((data.make(task, place, stage), stage))

    @torch.no_grad()
    def run(self, network: Network, device: torch.device) -> dict[str, float]:
        """Mean losses and accuracies.

        ``repair/joint_accuracy`` is over functions known to have one bug.
        """
        network.eval()
        sums: dict[str, float] = defaultdict(float)
        counts: dict[str, float] = defaultdict(float)
        for batch, stage in self.batches:
            arrays = {
                key: torch.from_numpy(value).to(device) for key, value in batch.arrays.items()
            }
            prefix = f"{batch.task}/{stage}_" if stage in _PREFIXED else f"{batch.task}/"
            for term, value in network(batch.task, arrays, stage == "dense").items():
                sums[prefix + term] += float(value)
            for term, count in batch.counts.items():
                counts[prefix + term] += count
        network.train()
        row = {key: sums[key] / max(count, 1.0) for key, count in counts.items()}
        for key, base in _ACCURACIES.items():
            if counts.get(base):
                row[key.replace("_correct", "_accuracy")] = sums[key] / counts[base]
        return row


_PREFIXED = ("dense", REAL)
_ACCURACIES = {
    "repair/dense_edit_correct": "repair/dense_edit",
    "repair/edit_correct": "repair/edit",
    "repair/site_correct": "repair/site",
    "repair/joint_correct": "repair/site",
    "repair/bug_correct": "repair/bug",
    "repair/real_edit_correct": "repair/real_edit",
    "repair/real_site_correct": "repair/real_site",
    "repair/real_joint_correct": "repair/real_site",
    "repair/real_bug_correct": "repair/real_bug",
    "summarize/text_correct": "summarize/text",
    "generate/text_correct": "generate/text",
    "reversal/text_correct": "reversal/text",
}


SCORED = ("repair/joint_accuracy", "summarize/text_accuracy", "generate/text_accuracy")


def score(row: dict[str, float]) -> float:
    """What the one checkpoint is chosen by, higher is better, declared beforehand.

    The mean over tasks of: joint accuracy of single bugs, exact pieces of summaries and of
    generated lines.
    """
    parts = [row[key] for key in SCORED if key in row]
    return sum(parts) / max(len(parts), 1)
