"""Reversal: a task that has nothing to do with code, to see what an unrelated task costs.

For example, the pieces of a function and its context shuffled, the last of them backwards:

    input    <ctx> <fn> parse ) yield 7 lambda
    target   lambda 7 yield ) parse <eos>

It is learnt by real training of the shared encoder, which must keep every piece and its place;
their order tells nothing of programs. `codemtl compare` trains it beside the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codemtl.tasks.batches import Batch, SpecialIds, encoder_input, text_arrays
from codemtl.tasks.example import CONTINUES, Example, Ints, piece_ids
from codemtl.tasks.task import Draw, TextTask, Vocabulary


class Reversal(TextTask):
    """The last pieces of a random sequence, backwards."""

    name = "reversal"
    limit = 24
    score = ""  # the checkpoint is not for it

    def batch(self, examples: Sequence[Example], vocabulary: Vocabulary, draw: Draw) -> Batch:
        """A micro-batch of sequences of as many pieces as the examples have words."""
        sequences = []
        for example, rng in zip(examples, draw.each(), strict=True):
            pieces = np.concatenate([example.context, example.pieces])
            words = int((pieces < CONTINUES).sum())
            sequences.append(rng.permutation(piece_ids(pieces))[:words])
        return self.collate(sequences, vocabulary.specials)

    def collate(self, sequences: Sequence[Ints], specials: SpecialIds) -> Batch:
        """Each piece a word of its own."""
        nothing = np.zeros(0, np.int32)
        inputs = [encoder_input(specials, nothing, pieces)[0] for pieces in sequences]
        targets = [pieces[::-1][: self.limit - 1] for pieces in sequences]
        arrays, counts = text_arrays(specials, inputs, targets)
        return Batch(self.name, arrays, counts)
