"""Summarization: a function without its docstring in, one sentence out.

For example:

    input    <ctx> import os ⏎ <fn> def size ( path ) : ⏎+4 return os . path . getsize ( path )
    target   Return the size of a file. <eos>
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.batches import Batch, SpecialIds, encoder_input, text_arrays
from codemtl.tasks.example import Example, Ints

MAX_TARGET = 64  # pieces


def usable_lengths(pieces: Ints) -> NDArray[np.bool_]:
    """Which examples have a summary to learn from, by the summaries' numbers of pieces."""
    return (pieces > 0) & (pieces < MAX_TARGET)


def collate(examples: Sequence[Example], specials: SpecialIds) -> Batch:
    """A batch of functions with their summaries as targets."""
    inputs = [encoder_input(specials, e.context, e.pieces)[0] for e in examples]
    arrays, counts = text_arrays(specials, inputs, [e.summary[:MAX_TARGET] for e in examples])
    return Batch("summarize", arrays, counts)
