"""Summarization: a function without its docstring in, one sentence out.

For example:

    input    <ctx> def age ( Return the age of a file. ⏎ import os ⏎ <fn> def size ( path ) : …
    target   Return the size of a file. <eos>
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.batches import encoder_input
from codemtl.tasks.example import Example, Ints
from codemtl.tasks.similar import SUMMARIES_LIMIT, similar_summaries
from codemtl.tasks.task import Columns, FunctionToText, Vocabulary


class Summarize(FunctionToText):
    """The first sentence of a docstring."""

    name = "summarize"
    limit = 64
    no_repeat = 3  # code repeats itself, a sentence should not

    def usable(self, data: Columns) -> NDArray[np.bool_]:
        """[F] those with a summary that is not too long."""
        found: NDArray[np.bool_] = (data.summaries > 0) & (data.summaries < self.limit)
        return found

    def lengths(self, data: Columns) -> NDArray[np.integer[Any]]:
        """What siblings are told of is read too."""
        found: NDArray[np.integer[Any]] = data.lengths + np.minimum(data.siblings, SUMMARIES_LIMIT)
        return found

    def prompt(self, example: Example, vocabulary: Vocabulary) -> Ints:
        """The function in its file; docstrings are no part of examples."""
        told = [similar_summaries(example, vocabulary.layout), example.context]
        return encoder_input(vocabulary.specials, np.concatenate(told), example.pieces)[0]

    def target(self, example: Example, vocabulary: Vocabulary) -> Ints:
        """The summary."""
        return example.summary[: self.limit]
