"""From examples to padded arrays: what all tasks share of making a batch.

Example: three encoder inputs of 5, 7 and 6 pieces become ``input_ids`` [3, 7] and ``lengths`` [3].

Layout of an encoder input:  <ctx> context pieces  [<doc> summary pieces]  <fn> function pieces
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class SpecialIds(NamedTuple):
    """The ids of the special pieces that inputs are made with."""

    pad: int
    mask: int
    ctx: int
    fn: int
    doc: int
    bos: int
    eos: int


@dataclass(slots=True)
class Batch:
    """Arrays for the model, and ``counts``: the denominator of each loss term."""

    task: str
    arrays: Arrays
    counts: dict[str, float]

    @property
    def tokens(self) -> int:
        """Pieces that are not padding, decoder targets included."""
        return int(self.arrays["lengths"].sum()) + int(self.counts.get("text", 0))

    @property
    def slots(self) -> int:
        """Positions computed in the encoder and decoder, padding included."""
        target = self.arrays.get("decoder_ids")
        return self.arrays["input_ids"].size + (0 if target is None else target.size)


def pad(rows: Sequence[NDArray[Any]], fill: int, dtype: Any = np.int64) -> NDArray[Any]:
    """Stack rows of different length: [len(rows), longest], filled with ``fill``."""
    width = max((len(row) for row in rows), default=0)
    out = np.full((len(rows), width), fill, dtype)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return out


def encoder_input(
    specials: SpecialIds,
    context: NDArray[Any],
    function: NDArray[Any],
    summary: NDArray[Any] | None = None,
) -> tuple[NDArray[np.int32], int]:
    """One encoder input and the position of its first function piece."""
    parts: list[Any] = [[specials.ctx], context]
    if summary is not None and len(summary):
        parts += [[specials.doc], summary]
    parts += [[specials.fn], function]
    start = sum(len(part) for part in parts) - len(function)
    return np.concatenate([np.asarray(part, np.int32) for part in parts]), start


def text_arrays(
    specials: SpecialIds,
    inputs: Sequence[NDArray[Any]],
    targets: Sequence[NDArray[Any]],
) -> tuple[Arrays, dict[str, float]]:
    """Arrays of a text-producing task: encoder inputs, shifted decoder inputs, labels.

    ``decoder_ids`` [B, U] starts with <bos>; ``labels`` [B, U] ends with <eos>, -100 on padding.
    """
    ends = [np.append(target, specials.eos) for target in targets]
    begins = [np.insert(target, 0, specials.bos) for target in targets]
    arrays: Arrays = {
        "input_ids": pad(inputs, specials.pad),
        "lengths": np.array([len(row) for row in inputs], np.int64),
        "decoder_ids": pad(begins, specials.pad),
        "labels": pad(ends, -100),
    }
    return arrays, {"text": float(sum(len(row) for row in ends))}
