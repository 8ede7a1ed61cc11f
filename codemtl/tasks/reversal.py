"""Reversal: a task that has nothing to do with code, to see what an unrelated task costs.

Example: pieces drawn at random from the vocabulary, of which the last are asked for backwards

    input    <ctx> <fn> parse ) yield 7 lambda
    target   lambda 7 yield ) parse <eos>

It is learnt by real training of the shared encoder, which must keep every piece and its place;
nothing in it tells anything of programs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codemtl.tasks.batches import Batch, SpecialIds, encoder_input, text_arrays
from codemtl.tasks.example import Ints

MAX_TARGET = 24  # pieces


def draw(rng: np.random.Generator, length: int, vocab_size: int, specials: SpecialIds) -> Ints:
    """``length`` pieces [length], at least one, each a word of its own."""
    first = max(specials) + 1
    pieces: Ints = rng.integers(first, vocab_size, size=max(1, length), dtype=np.int32)
    return pieces


def collate(sequences: Sequence[Ints], specials: SpecialIds) -> Batch:
    """A batch of sequences with their last pieces, reversed, as targets."""
    nothing = np.zeros(0, np.int32)
    inputs = [encoder_input(specials, nothing, pieces)[0] for pieces in sequences]
    targets = [pieces[::-1][: MAX_TARGET - 1] for pieces in sequences]
    arrays, counts = text_arrays(specials, inputs, targets)
    return Batch("reversal", arrays, counts)
