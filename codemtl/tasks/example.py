r"""A function as all tasks see it: pieces, names, sites of candidate edits, context, summary.

Example, for ``def f(x):\n    return x + 1`` (pieces written as text):

    pieces    def f ( x ) : ⏎+4 return x + 1          (ids; some with CONTINUES)
    names_at   -1 -1 -1 0 -1 -1  -1     -1 0 -1 -1      (index into ``names`` = ["x"])
    sites     name "x" at 8:9, binary-operator "+" at 9:10, integer "1" at 10:11

The same arrays come from live source (`tasks.building`) and from prepared shards, so that training
and prediction cannot drift apart. Neither torch nor tree-sitter is needed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codemtl.syntax.actions import FAMILIES, Site

Ints = NDArray[np.int32]

CONTINUES = 1 << 15  # set on a piece that goes on with the word of the piece before it
SPACE = 236  # the piece of a single space in every vocabulary
NEAR = 128  # siblings of a function on either side

ALL_FAMILIES: tuple[str, ...] = (*FAMILIES, "name", "attribute")
FAMILY_ID = {family: index for index, family in enumerate(ALL_FAMILIES)}
POINTER_FAMILIES = (FAMILY_ID["name"], FAMILY_ID["attribute"])


@dataclass(slots=True)
class Ragged:
    """Rows of different length in one array: row i is ``values[offsets[i]:offsets[i + 1]]``."""

    values: Ints
    offsets: Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        """Build from Python sequences."""
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return cls(np.array([v for row in rows for v in row], np.int32), offsets)

    @classmethod
    def joined(cls, tables: Sequence[Ragged]) -> Ragged:
        """The rows of one after the other."""
        sizes = [np.diff(table.offsets) for table in tables]
        offsets = np.cumsum(np.concatenate([[0], *sizes]), dtype=np.int32)
        return cls(np.concatenate([table.values for table in tables]), offsets)

    def select(self, rows: NDArray[Any]) -> Ragged:
        """Only the given rows."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum(sizes, out=offsets[1:])
        parts = [self[int(row)] for row in rows]
        return Ragged(np.concatenate(parts or [np.zeros(0, np.int32)]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Ints:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


@dataclass(slots=True)
class Siblings:
    """The other functions of a file, in its order, but for those inside or around one function.

    At most the NEAR nearest on either side; long ones in windows, where data are prepared. Behind
    them those of files beside it, where these are known.
    """

    functions: Ragged  # pieces of each, as `Example.pieces`
    summaries: Ragged  # pieces of the summary of each, empty if there is none


@dataclass(slots=True)
class Example:
    """One function, tokenised. Positions are indices of pieces; S sites, O options in all."""

    pieces: Ints  # [n]
    spaces: Ints  # [n] 1 where a space stood before the piece
    names_at: Ints  # [n] index into the names, -1 where the piece is part of no name
    context: Ints  # [m] pieces of the file's context
    context_names: Ints  # [m] as names_at
    summary: Ints  # [k] pieces of the docstring's summary, empty if there is none
    names: Ragged  # pieces of each candidate name
    groups: Ragged  # each group: indices of candidate names
    site_family: Ints  # [S] index into ALL_FAMILIES
    site_start: Ints  # [S] first piece of the slot
    site_end: Ints  # [S] end of the slot; equals site_start for an insertion
    site_state: Ints  # [S] action that stands there, -1 for relative families; name index for names
    site_group: Ints  # [S] group of candidate names, -1 for closed families
    options: Ragged  # per site: permitted actions
    option_inverse: Ints  # [O] the action that undoes each option
    option_pieces: Ragged  # [O] what each option writes into the slot
    option_names: Ints  # flat, as option_pieces.values: name index or -1
    decoys: Ragged  # per site: plausible wrong choices, see `tasks.decoys`; no rows at prediction
    # [2] in a function with a real bug: the site, and the action or name that repairs it; else [0]
    fix: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    # [2] in prepared data: number of its file, and where its outermost function begins; else [0]
    place: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    siblings: Siblings | None = None  # if a task is to read them
    sites: list[Site] = field(default_factory=list)  # only from live source
    name_texts: list[str] = field(default_factory=list)  # only from live source


def piece_ids(pieces: Ints) -> Ints:
    """The ids of pieces in the vocabulary, without the mark of what continues a word."""
    return pieces & (CONTINUES - 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """What pieces mean for the layout of lines: flags [V] and the id of a single space."""

    starts_line: NDArray[np.bool_]  # the piece begins with a newline
    word: NDArray[np.bool_]  # the piece begins as identifiers and keywords do
    blank: NDArray[np.bool_]  # the piece is only spaces
    space: int
    newline: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Layout:
        """From the text of every piece of the vocabulary."""
        return cls(
            np.array([text.startswith("\n") for text in texts]),
            np.array([text[:1].isidentifier() or text[:1] > "\x7f" for text in texts]),
            np.array([bool(text) and not text.strip(" ") for text in texts]),
            list(texts).index(" "),
            list(texts).index("\n"),
        )


def line_spans(pieces: Ints, layout: Layout) -> list[tuple[int, int]]:
    """(start, end) in pieces of each logical line, without newline and indentation."""
    spans = []
    start = 0
    ids = piece_ids(pieces)
    for stop in [*np.flatnonzero(layout.starts_line[ids]).tolist(), len(pieces)]:
        if stop > start:
            spans.append((start, stop))
        start = stop + 1
        while start < len(pieces) and layout.blank[ids[start]]:
            start += 1
    return spans


def windows(example: Example, limit: int, layout: Layout) -> list[Example]:
    """The example cut at logical lines into parts of at most ``limit`` pieces.

    Later parts repeat the header line; each site belongs to exactly one part, or to none when its
    statement alone is longer than the limit.
    """
    size = len(example.pieces)
    if size <= limit:
        return [example]
    lines = line_spans(example.pieces, layout)
    header = min(lines[0][1], limit // 4)
    bounds = [0]
    for start, end in lines:
        room = limit - (header if bounds[-1] else 0)
        if end - bounds[-1] > room and start > bounds[-1]:
            bounds.append(start)
    bounds.append(size)
    parts = []
    for low, high in pairwise(bounds):
        prefix = header if low else 0
        parts.append(_part(example, prefix, low, min(high, low + limit - prefix)))
    return parts


def window_around(
    pieces: NDArray[np.int32], at: int, limit: int, layout: Layout
) -> NDArray[np.int32]:
    """At most ``limit`` pieces: the logical lines around piece ``at``, after the header line.

    As `windows` cuts what is learned from, but with as much before the place as behind it.
    """
    if len(pieces) <= limit:
        return pieces
    lines = line_spans(pieces, layout)
    header = min(lines[0][1], limit // 4)
    room = limit - header
    own = next(number for number, (_, end) in enumerate(lines) if at < end)
    low, high = lines[own]
    if high - low > room:
        low = max(low, at - room // 2)
        high = low + room
    before, after = own - 1, own + 1
    while True:
        up = before >= 0 and high - lines[before][0] <= room
        down = after < len(lines) and lines[after][1] - low <= room
        if up and (not down or at - low <= high - at):
            low, before = lines[before][0], before - 1
        elif down:
            high, after = lines[after][1], after + 1
        else:
            break
    return np.concatenate([pieces[: min(header, low)], pieces[low:high]])


def _part(example: Example, prefix: int, low: int, high: int) -> Example:
    """Pieces [0, prefix) and [low, high) with the sites of the latter."""
    keep = np.r_[0:prefix, low:high]
    inside = np.flatnonzero((example.site_start >= low) & (example.site_end <= high))
    rows = np.concatenate(
        [np.arange(*example.options.offsets[site : site + 2]) for site in inside]
        or [np.zeros(0, np.int64)]
    )
    fixed = example.fix[:1]
    flat = np.concatenate(
        [np.arange(*example.option_pieces.offsets[row : row + 2]) for row in rows]
        or [np.zeros(0, np.int64)]
    ).astype(np.int64)
    return replace(
        example,
        pieces=example.pieces[keep],
        spaces=example.spaces[keep],
        names_at=example.names_at[keep],
        site_family=example.site_family[inside],
        site_start=example.site_start[inside] - low + prefix,
        site_end=example.site_end[inside] - low + prefix,
        site_state=example.site_state[inside],
        site_group=example.site_group[inside],
        options=example.options.select(inside),
        option_inverse=example.option_inverse[rows],
        option_pieces=example.option_pieces.select(rows),
        option_names=example.option_names[flat],
        decoys=example.decoys.select(inside) if len(example.decoys) else example.decoys,
        fix=np.r_[np.searchsorted(inside, fixed), example.fix[1:]].astype(np.int32)
        if np.isin(fixed, inside).any()
        else example.fix[:0],
        sites=[example.sites[site] for site in inside] if example.sites else [],
    )
