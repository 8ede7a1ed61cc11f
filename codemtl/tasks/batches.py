"""From examples to padded arrays: what all tasks share of making a batch.

The encoder has one position a word (a name, an operator, a word of a string), however many pieces
spell it. Example: ``max_size`` in the pieces ``max`` ``_size``, then ``+``

    input_ids    max  +            the first piece of each word
    more_pieces  _size             the others; more_slot 0 (of the word), more_place 0 (the next)

Layout of an encoder input:  <ctx> context pieces  [<doc> summary pieces]  <fn> function pieces
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.example import CONTINUES, Ints, piece_ids

PLACES = 4  # pieces of a word after its first that are told apart by their place
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
        """Words that are not padding, and pieces of decoder targets."""
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


def spelling(rows: Sequence[Ints], fill: int, prefix: str = "") -> tuple[Arrays, list[Ints]]:
    """Words from rows of pieces, and for every piece of each row the index of its word.

    The first piece of each word is in ``PREFIX_ids`` [B, W], W words at most, the rest in
    ``PREFIX_more_pieces``, ``_more_slot`` (row * W + word) and ``_more_place`` [M].
    """
    begins = [row < CONTINUES for row in rows]
    words = [np.cumsum(begin, dtype=np.int32) - 1 for begin in begins]
    ids = pad([row[begin] for row, begin in zip(rows, begins, strict=True)], fill)
    pieces: list[Ints] = [np.zeros(0, np.int32)]
    slots: list[Ints] = [np.zeros(0, np.int32)]
    places: list[Ints] = [np.zeros(0, np.int32)]
    for index, (row, begin, word) in enumerate(zip(rows, begins, words, strict=True)):
        more = np.flatnonzero(~begin)
        pieces.append(piece_ids(row[more]))
        slots.append(word[more] + index * ids.shape[1])
        places.append(more - np.flatnonzero(begin)[word[more]] - 1)
    arrays: Arrays = {
        prefix + "ids": ids,
        prefix + "more_pieces": np.concatenate(pieces).astype(np.int64),
        prefix + "more_slot": np.concatenate(slots).astype(np.int64),
        prefix + "more_place": np.minimum(np.concatenate(places), PLACES - 1).astype(np.int64),
    }
    return arrays, words


def encoder_arrays(rows: Sequence[Ints], fill: int) -> tuple[Arrays, list[Ints]]:
    """What the encoder reads, ``input_*`` as of `spelling` and ``lengths`` [B] in words."""
    arrays, words = spelling(rows, fill, "input_")
    arrays["lengths"] = np.array([int(word[-1]) + 1 for word in words], np.int64)
    return arrays, words


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


def text_inputs(specials: SpecialIds, inputs: Sequence[Ints]) -> Arrays:
    """What a decoder reads: `encoder_arrays`, and the pieces in order, to copy from.

    ``copy_ids`` [B, P] are the pieces, ``copy_words`` [B, P] the word of each, -1 on padding.
    """
    arrays, words = encoder_arrays(inputs, specials.pad)
    arrays["copy_ids"] = pad([piece_ids(row) for row in inputs], specials.pad)
    arrays["copy_words"] = pad(words, -1)
    return arrays


def text_arrays(
    specials: SpecialIds,
    inputs: Sequence[Ints],
    targets: Sequence[NDArray[Any]],
) -> tuple[Arrays, dict[str, float]]:
    """Arrays of a text-producing task: `text_inputs`, shifted decoder inputs, labels.

    ``decoder_ids`` [B, U] starts with <bos>; ``labels`` [B, U] ends with <eos>, -100 on padding.
    """
    ends = [np.append(target, specials.eos) for target in targets]
    begins = [np.insert(target, 0, specials.bos) for target in targets]
    arrays: Arrays = {
        **text_inputs(specials, inputs),
        "decoder_ids": pad(begins, specials.pad),
        "labels": pad(ends, -100),
    }
    return arrays, {"text": float(sum(len(row) for row in ends))}
