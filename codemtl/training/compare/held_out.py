"""The held-out cases that every run is judged by, and what a model does in each of them.

They are the same for all runs: drawn by a fixed seed from the examples of the split that choose no
checkpoint. Each case is run by itself, so that its outcome depends on no other. An outcome is a
pair (hit, size); a measure of several cases is Σ hit / Σ size. Measures of a task, the first is
what the task is judged by:

    repair      joint: one bug, known to be there, located and repaired; located; loss
    summarize   pieces of the text predicted exactly, the right ones before them given; exact: the
    generate    whole text (which then is what greedy decoding writes); loss a piece
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from codemtl.model.network import Network
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.tasks import corruption, generate, repair
from codemtl.tasks.batches import Batch, SpecialIds
from codemtl.tasks.example import Layout
from codemtl.tasks.registry import TASKS
from codemtl.tasks.summarize import Summarize
from codemtl.tasks.task import Vocabulary
from codemtl.training.shards import Shards
from codemtl.training.subsets import HELD_OUT_SEED, subset

MEASURES = {
    "repair": ("joint", "located", "loss"),
    "summarize": ("pieces", "exact", "loss"),
    "generate": ("pieces", "exact", "loss"),
}
LOWER_IS_BETTER = "loss"
Outcomes = dict[str, dict[str, list[list[float]]]]  # task -> measure -> [hits [N], sizes [N]]


class HeldOut(NamedTuple):
    """Where cases come from."""

    shards: Shards
    specials: SpecialIds
    layout: Layout
    choosing: float  # share of the examples that choose checkpoints, and are left out
    respelling: Respelling | None = None  # where a pretrained encoder reads them

    @classmethod
    def of(
        cls,
        data: Path,
        split: str,
        choosing: float,
        respelling: Respelling | None = None,
        *,
        siblings: bool = False,
    ) -> HeldOut:
        """Of shards; ``choosing`` counts where the same split chooses. Raises DataError."""
        tokenizer = CodeTokenizer.load(data)
        return cls(
            Shards(data, split, siblings), special_ids(tokenizer), piece_layout(tokenizer),
            choosing if split == "validation" else 1.0, respelling,
        )  # fmt: skip

    def cases(self, task: str, count: int) -> Iterator[Batch]:
        """At most ``count`` batches of one example."""
        members = np.flatnonzero(TASKS[task].usable(self.shards))
        if self.choosing < 1:
            members = members[~subset(len(self.shards), self.choosing, HELD_OUT_SEED)[members]]
        found = 0
        for index in np.random.default_rng((HELD_OUT_SEED, 81)).permutation(members).tolist():
            batch = self._case(task, index)
            if batch is not None:
                if self.respelling is not None:
                    batch.arrays.update(self.respelling.arrays(batch.arrays))
                yield batch
                found += 1
            if found == count:
                return

    def _case(self, task: str, index: int) -> Batch | None:
        """None where the example makes no case."""
        example = self.shards[index]
        rng = np.random.default_rng((HELD_OUT_SEED, 0, index))
        if task == "repair":
            item = corruption.corrupt_single(example, rng, clean=0.0)
            if not item.replaced.any():
                return None
            return repair.collate([item], self.specials, dense=False)
        vocabulary = Vocabulary(self.specials, self.layout)
        if task == "summarize":
            return Summarize().collate([example], vocabulary)
        span = generate.choose_span(example, self.layout, rng, "line")
        if span is None:
            return None
        return generate.collate([example], [span], vocabulary)


@torch.no_grad()
def judge(network: Network, held_out: HeldOut, tasks: list[str], count: int) -> Outcomes:
    """What a network does in the cases of some tasks, in fp32 on the device that it is on."""
    device = next(network.parameters()).device
    network.eval()
    found: Outcomes = {}
    for task in tasks:
        columns: dict[str, list[list[float]]] = defaultdict(lambda: [[], []])
        for batch in held_out.cases(task, count):
            arrays = {k: torch.from_numpy(value).to(device) for k, value in batch.arrays.items()}
            sums = {key: float(value) for key, value in network(task, arrays).items()}
            for measure, (hit, size) in _outcome(task, sums, batch.counts).items():
                columns[measure][0].append(round(hit, 6))
                columns[measure][1].append(size)
        found[task] = {measure: columns[measure] for measure in MEASURES[task]}
    return found


def _outcome(
    task: str, sums: dict[str, float], counts: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """(hit, size) of each measure in one case."""
    if task == "repair":
        return {
            "joint": (sums["joint_correct"], 1.0), "located": (sums["site_correct"], 1.0),
            "loss": (sums["site"] + sums["edit"], 1.0),
        }  # fmt: skip
    pieces = counts["text"]
    whole = float(sums["text_correct"] == pieces)
    return {
        "pieces": (sums["text_correct"], pieces), "exact": (whole, 1.0),
        "loss": (sums["text"], pieces),
    }  # fmt: skip
