"""What the other functions of a file tell about one of them: similar lines, and their summaries.

Example, for the masked line of a method, with the lines around it:

    self.reader = reader            in the file, elsewhere:   self.source = source
    <mask>                                                    self.closed = False
    self.lock = Lock()                                        self.lock = RLock()

``self.closed = False`` is told, for what stands around it is like what stands around the mask. A
quarter of all lines stand in their file once more, and every second one has a name that is nowhere
else in its function (``data/LOG.md``, 2026-11-28). What is like what: about the share of their
pieces that two texts have in common, rare pieces weighing more (Jaccard; Sparck Jones 1972). The
idea is that of retrieval for completion (Lu et al. 2022, arXiv:2203.07722), with the file as the
collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.example import CONTINUES, Example, Ints, Layout, Ragged, piece_ids

LINES_LIMIT = 128  # pieces of similar lines at most
SUMMARIES_LIMIT = 96  # pieces of similar functions' summaries at most
LONGEST = 64  # pieces of a line that is told
WEIGHTS = {-3: 0.25, -2: 0.5, -1: 1.0, 1: 1.0, 2: 0.5, 3: 0.25}  # of lines before and after
COMMON = 0.05  # the least weight of a piece
EDGE = 0.5  # how alike two places are where a function begins or ends
NAME_WORDS = 3  # of a header: ``def name (``

Floats = NDArray[np.float32]


class Place(NamedTuple):
    """A line of a sibling function that stands where the masked one would."""

    line: Ints
    score: float  # how alike what stands around is, 0 to 3.5
    name: Ints  # the first words of its function
    around: list[tuple[Ints, Ints]]  # a line around it, and the one around the masked line


class _Lines(NamedTuple):
    """The L logical lines of some functions."""

    text: Ragged  # pieces of each, without indentation
    function: Ints  # [L]


class Places:
    """The L lines of a function's siblings, and how alike to its own what stands around them is."""

    def __init__(self, functions: Ragged, own: Ints, layout: Layout) -> None:
        """``functions`` are pieces of each sibling, ``own`` the pieces of the function."""
        self.functions = functions
        self.lines = _lines(functions, layout)
        self.own = _lines(Ragged(own, np.array([0, len(own)], np.int32)), layout).text
        self.rarity = _rarity(self.lines.text.values, len(self.lines.function))
        self._alike: dict[int, Floats] = {}

    @classmethod
    def around_mask(
        cls, example: Example, masked: Ints, mask: int, layout: Layout
    ) -> tuple[Places, int] | None:
        """Of a function with the piece ``mask`` in a line, and which line that is."""
        if example.siblings is None or not len(example.siblings.functions):
            return None
        found = cls(example.siblings.functions, masked, layout)
        at = np.flatnonzero(found.own.values == mask)
        if not len(at):
            return None
        return found, int(np.searchsorted(found.own.offsets[1:], at[0], side="right"))

    def scores(self, line: int, run: int = 1) -> Floats:
        """[L] how alike the surroundings of each line, or of ``run``, and of an own line are."""
        count, function = len(self.lines.function), self.lines.function
        scores = np.zeros(count, np.float32)
        for offset, weight in WEIGHTS.items():
            there = np.arange(count) + (offset if offset < 0 else offset + run - 1)
            inside = (there >= 0) & (there < count)
            there = np.clip(there, 0, count - 1)
            inside &= function[there] == function
            if 0 <= line + offset < len(self.own):
                scores += weight * np.where(inside, self._alike_to(line + offset)[there], 0)
            elif abs(offset) == 1:
                scores += weight * np.where(inside, 0, EDGE)
        return scores

    def order(self, line: int, run: int = 1) -> list[int]:
        """The places that are similar, the most similar first."""
        return _order(self.scores(line, run))

    def similar(self, line: int) -> Iterator[Place]:
        """The same for one line, those longer than LONGEST left out, with what is around them."""
        text, function, scores = self.lines.text, self.lines.function, self.scores(line)
        for place in map(int, np.argsort(-scores, kind="stable")):
            if scores[place] <= 0:
                return
            around = [
                (text[place + offset], self.own[line + offset])
                for offset in sorted(WEIGHTS, key=abs)
                if 0 <= place + offset < len(function) and 0 <= line + offset < len(self.own)
                if function[place + offset] == function[place]
            ]
            if len(text[place]) <= LONGEST:
                name = _name(self.functions[function[place]])
                yield Place(text[place], float(scores[place]), name, around)

    def _alike_to(self, line: int) -> Floats:
        """[L] how alike each line and an own one are; the same own one stands around several."""
        if line not in self._alike:
            self._alike[line] = _alike(self.lines.text, self.own[line], self.rarity)
        return self._alike[line]


def similar_lines(example: Example, masked: Ints, mask: int, layout: Layout, run: int = 1) -> Ints:
    """Lines of sibling functions that stand where the masked one would, the most similar first.

    Args:
        example: the function; without siblings nothing is told.
        masked: its pieces with the piece ``mask`` in place of whole lines.
        mask: the id of that piece.
        layout: tells lines apart.
        run: so many lines together are told of each place.

    Returns:
        At most LINES_LIMIT pieces; each line ends with the piece of a newline.
    """
    found = Places.around_mask(example, masked, mask, layout)
    if found is None:
        return np.zeros(0, np.int32)
    places, hole = found
    lines, rows = places.lines, list[Ints]()
    for place in places.order(hole, run)[:LINES_LIMIT]:
        together = lines.function[place : place + run] == lines.function[place]
        rows += [lines.text[place + more] for more in range(len(together)) if together[more]]
    return _joined([row for row in rows if len(row) <= LONGEST], layout, LINES_LIMIT)


def similar_summaries(example: Example, layout: Layout) -> Ints:
    """Headers and summaries of the sibling functions most like this one, at most SUMMARIES_LIMIT.

    Without siblings that have a summary, nothing.
    """
    found: dict[bytes, Ints] = {}
    for row in most_similar(example)[:SUMMARIES_LIMIT]:
        assert example.siblings is not None
        text = example.siblings.summaries[row]
        found.setdefault(
            text.tobytes(), np.concatenate([_name(example.siblings.functions[row]), text])
        )
    return _joined(list(found.values()), layout, SUMMARIES_LIMIT)


def most_similar(example: Example) -> list[int]:
    """The siblings that have a summary, the most like this function first, by body and name."""
    if example.siblings is None or not len(example.siblings.summaries.values):
        return []
    functions = example.siblings.functions
    told = np.flatnonzero(np.diff(example.siblings.summaries.offsets))
    names = Ragged.of([_name(functions[row]).tolist() for row in range(len(functions))])
    rarity = _rarity(functions.values, len(functions))
    alike = _alike(functions, example.pieces, rarity)
    both = alike + _alike(names, _name(example.pieces), rarity)
    return [int(row) for row in told[np.argsort(-both[told], kind="stable")]]


def most_alike(functions: Ragged, own: Ints) -> list[int]:
    """The functions that have rare pieces in common with one, the most alike first."""
    return _order(_alike(functions, own, _rarity(functions.values, len(functions))))


def _order(scores: Floats) -> list[int]:
    order = np.argsort(-scores, kind="stable")
    return [int(place) for place in order if scores[place] > 0]


def _joined(rows: Sequence[Ints], layout: Layout, limit: int) -> Ints:
    """Different rows, each with a newline after it, as many as the limit lets in."""
    found: dict[bytes, Ints] = {}
    size = 0
    for row in rows:
        key = row.tobytes()
        if key not in found and size + len(row) < limit:
            found[key] = np.append(row, layout.newline).astype(np.int32)
            size += len(row) + 1
    return np.concatenate([np.zeros(0, np.int32), *found.values()])


def _lines(functions: Ragged, layout: Layout) -> _Lines:
    """As `example.line_spans` of each function, all at once."""
    ids = piece_ids(functions.values)
    begins, blank = layout.starts_line[ids], layout.blank[ids]
    before = np.maximum.accumulate(np.where(blank, 0, np.arange(len(ids))))  # the last not blank
    shown = np.flatnonzero(~begins & ~(blank & begins[before]))  # without indentation
    begins[functions.offsets[:-1][np.diff(functions.offsets) > 0]] = True
    line = np.cumsum(begins)[shown]
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    function = np.searchsorted(functions.offsets, shown[starts], side="right") - 1
    offsets = np.append(starts, len(shown)).astype(np.int32)
    return _Lines(Ragged(functions.values[shown], offsets), function.astype(np.int32))


def _name(function: Ints) -> Ints:
    """The pieces of the first words of a header."""
    begins = np.flatnonzero(function < CONTINUES)
    return function[: begins[NAME_WORDS]] if len(begins) > NAME_WORDS else function


def _rarity(values: Ints, rows: int) -> Floats:
    """[2 * CONTINUES] the weight of each piece by how many of the rows have it, about."""
    count = np.bincount(values, minlength=2 * CONTINUES)
    return np.log((rows + 1) / (count + 0.5)).clip(COMMON).astype(np.float32)


def _alike(rows: Ragged, query: Ints, rarity: Floats) -> Floats:
    """[R] the weighed share of pieces that each row and the query have in common, 0 to 1.

    Pieces that a row repeats count as often, so this is not quite Jaccard's of two sets.
    """
    asked = np.zeros_like(rarity)
    asked[query] = rarity[query]
    owner = np.repeat(np.arange(len(rows)), np.diff(rows.offsets))
    common = np.bincount(owner, asked[rows.values], len(rows))
    weight = np.bincount(owner, rarity[rows.values], len(rows))
    common = np.minimum(common, asked.sum())
    found: Floats = (common / (weight + asked.sum() - common + 1e-6)).astype(np.float32)
    return found
