"""Generation: fill a masked line, a few lines, or the whole body of a function.

Example, with the second line masked:

    input    <ctx> … <doc> Return the sum. <fn> def total ( xs ) : ⏎+4 <mask> ⏎+4 return s
    target   s = sum(xs) <eos>

The target keeps the spaces of the source, as pieces of their own; the indentation of its first
line stays in the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.batches import Batch, SpecialIds, encoder_input, text_arrays
from codemtl.tasks.example import Example, Ints, Layout, line_spans, piece_ids
from codemtl.tasks.similar import LINES_LIMIT, similar_lines
from codemtl.tasks.task import Columns, Draw, TextTask, Vocabulary

MAX_TARGET = 96  # pieces
RUN = {"line": 1, "lines": 3, "body": 8}  # lines that are told of each similar place
NEAR, FAR = 1.25, 2.0  # by which factor the targets of a micro-batch differ: if it can be had, most


def draw_extent(rng: np.random.Generator) -> str:
    """How much is masked: one line (70%), two or three (15%), or the whole body (15%).

    Drawn once a micro-batch, so that its targets are of similar length.
    """
    return str(rng.choice(["line", "lines", "body"], p=[0.7, 0.15, 0.15]))


def choose_span(
    example: Example, layout: Layout, rng: np.random.Generator, extent: str, size: int | None = None
) -> tuple[int, int] | None:
    """A random span of that extent in pieces; None for a lone header.

    With ``size``, one of about so many pieces; None if the nearest is far from it.
    """
    lines = line_spans(example.pieces, layout)
    if len(lines) < 2:
        return None
    if extent == "body":
        return lines[1][0], lines[-1][1]
    if size is None:
        first = int(rng.integers(1, len(lines)))
        more = 0 if extent == "line" else int(rng.integers(1, 3))
        return lines[first][0], lines[min(first + more, len(lines) - 1)][1]
    spans = [
        (lines[first][0], lines[min(first + more, len(lines) - 1)][1])
        for first in range(1, len(lines))
        for more in ((0,) if extent == "line" else (1, 2))
    ]
    ratios = [max(size, end - start) / min(size, end - start) for start, end in spans]
    least = max(NEAR, min(ratios))
    near = [span for span, ratio in zip(spans, ratios, strict=True) if ratio <= min(least, FAR)]
    return near[int(rng.integers(len(near)))] if near else None


def masked(example: Example, span: tuple[int, int], specials: SpecialIds) -> Ints:
    """The function's pieces with ``span`` replaced by <mask>."""
    start, end = span
    return np.concatenate([
        example.pieces[:start], np.array([specials.mask], np.int32), example.pieces[end:],
    ])  # fmt: skip


def target(example: Example, span: tuple[int, int], layout: Layout) -> Ints:
    """The pieces of ``span`` with the spaces of the source put back, cut at MAX_TARGET - 1."""
    pieces = piece_ids(example.pieces[span[0] : span[1]])
    spaced = example.spaces[span[0] : span[1]].astype(np.bool_)
    spaced[:1] = False
    return np.insert(pieces, np.flatnonzero(spaced), layout.space)[: MAX_TARGET - 1]


def prompt(
    example: Example, with_mask: Ints, summary: Ints, vocabulary: Vocabulary, extent: str
) -> Ints:
    """What the encoder reads of a function in which ``extent`` is masked."""
    specials, layout = vocabulary
    similar = similar_lines(example, with_mask, specials.mask, layout, RUN[extent])
    return encoder_input(
        specials, np.concatenate([similar, example.context]), with_mask, summary
    )[0]  # fmt: skip


def collate(
    examples: Sequence[Example],
    spans: Sequence[tuple[int, int]],
    vocabulary: Vocabulary,
    extent: str = "line",
    targets: Sequence[Ints] | None = None,
) -> Batch:
    """A batch of masked functions with the hidden text, or other ``targets``, to write."""
    specials, layout = vocabulary
    inputs = [
        prompt(e, masked(e, span, specials), e.summary, vocabulary, extent)
        for e, span in zip(examples, spans, strict=True)
    ]
    if targets is None:
        targets = [target(e, span, layout) for e, span in zip(examples, spans, strict=True)]
    arrays, counts = text_arrays(specials, inputs, targets)
    return Batch("generate", arrays, counts)


class Generate(TextTask):
    """Text in place of a mask."""

    name = "generate"
    limit = MAX_TARGET
    beams = 8  # for some will not compile where they go

    def lengths(self, data: Columns) -> NDArray[np.integer[Any]]:
        """The summary and similar lines are read too."""
        similar = np.minimum(data.siblings, LINES_LIMIT)
        found: NDArray[np.integer[Any]] = data.lengths + data.summaries + similar
        return found

    def batch(self, examples: Sequence[Example], vocabulary: Vocabulary, draw: Draw) -> Batch:
        """A micro-batch of functions, each with one span masked; lone headers are left out.

        One of them, any, says how long the spans are, and who has none so long is left out: little
        of the decoder's work is padding.
        """
        layout, once = vocabulary.layout, draw.once()
        extent = draw_extent(once)
        first = choose_span(examples[int(once.integers(len(examples)))], layout, once, extent)
        size = None if first is None else first[1] - first[0]
        rows: list[tuple[Example, tuple[int, int], Ints]] = []
        for example, other, rng in zip(examples, draw.wrong(), draw.each(), strict=True):
            span = choose_span(example, layout, rng, extent, size)
            if span is None:
                continue
            told = None  # a wrong label stays wrong, if need be of another length
            if other is not None:
                told = choose_span(other, layout, rng, extent, size)
                told = told or choose_span(other, layout, rng, extent)
            if other is not None and told is not None:
                rows.append((example, span, target(other, told, layout)))
            else:
                rows.append((example, span, target(example, span, layout)))
        if not rows:  # functions of one line only: learn to write that line
            whole = (0, len(examples[0].pieces))
            rows = [(examples[0], whole, target(examples[0], whole, layout))]
        parts, spans, targets = zip(*rows, strict=True)
        return collate(parts, spans, vocabulary, extent, targets)
