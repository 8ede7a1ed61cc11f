r"""A function as all tasks see it: pieces, names, sites of candidate edits, context, summary.

Example, for ``def f(x):\n    return x + 1`` (pieces written as text):

    pieces    def f ( x ) : ⏎+4 return x + 1          (ids; some with CONTINUES)
    names_at   -1 -1 -1 0 -1 -1  -1     -1 0 -1 -1      (index into ``names`` = ["x"])
    sites     name "x" at 8:9, binary-operator "+" at 9:10, integer "1" at 10:11

The same arrays come from live source (`build_example`) and from prepared shards, so that training
and prediction cannot drift apart. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node

from codemtl.syntax.actions import (
    ACTION_IDS,
    ACTIONS,
    FAMILIES,
    FunctionSites,
    Site,
    edit_for,
    inverse,
)
from codemtl.syntax.context import file_context
from codemtl.syntax.definitions import Definition
from codemtl.syntax.lexical import LexicalToken, lexical_tokens
from codemtl.syntax.tree import SourceTree, parse

Ints = NDArray[np.int32]

CONTINUES = 1 << 15  # set on a piece that goes on with the word of the piece before it

ALL_FAMILIES: tuple[str, ...] = (*FAMILIES, "name", "attribute")
FAMILY_ID = {family: index for index, family in enumerate(ALL_FAMILIES)}
POINTER_FAMILIES = (FAMILY_ID["name"], FAMILY_ID["attribute"])


class TokenEncoder(Protocol):
    """What an example needs of a tokenizer."""

    def encode_token(self, text: str) -> tuple[int, ...]:
        """The pieces of one lexical token, CONTINUES set on those that do not begin a word."""
        ...

    def encode(self, text: str) -> list[int]:
        """The pieces of any text."""
        ...


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
    sites: list[Site] = field(default_factory=list)  # only from live source
    name_texts: list[str] = field(default_factory=list)  # only from live source


def piece_ids(pieces: Ints) -> Ints:
    """The ids of pieces in the vocabulary, without the mark of what continues a word."""
    return pieces & (CONTINUES - 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """What pieces mean for the layout of lines: flags [V] and the id of a single space."""

    starts_line: NDArray[np.bool_]  # the piece begins with a newline
    blank: NDArray[np.bool_]  # the piece is only spaces
    space: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Layout:
        """From the text of every piece of the vocabulary."""
        return cls(
            np.array([text.startswith("\n") for text in texts]),
            np.array([bool(text) and not text.strip(" ") for text in texts]),
            list(texts).index(" "),
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


def _part(example: Example, prefix: int, low: int, high: int) -> Example:
    """Pieces [0, prefix) and [low, high) with the sites of the latter."""
    keep = np.r_[0:prefix, low:high]
    inside = np.flatnonzero((example.site_start >= low) & (example.site_end <= high))
    rows = np.concatenate(
        [np.arange(*example.options.offsets[site : site + 2]) for site in inside]
        or [np.zeros(0, np.int64)]
    )
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
        sites=[example.sites[site] for site in inside] if example.sites else [],
    )


def _spelled(text: str, is_name: bool, tokenizer: TokenEncoder) -> Sequence[int]:
    """The pieces of a lexical token; a name is one word, whatever its characters."""
    pieces = tokenizer.encode_token(text)
    return (pieces[0], *(piece | CONTINUES for piece in pieces[1:])) if is_name else pieces


def _closed_pieces(
    tree: SourceTree, site: Site, action: int, names: dict[str, int], tokenizer: TokenEncoder
) -> tuple[list[int], list[int]]:
    """Pieces and name indices that an action writes into the slot."""
    if site.family == "argument-swap":
        replaced = parse(edit_for(tree, site, action).replacement.encode())
        tokens = [(t.text, t.is_name) for t in lexical_tokens(replaced, replaced.root)]
    elif site.family == "integer":
        tokens = [(edit_for(tree, site, action).replacement.strip(), False)]
    else:
        tokens = [(word, False) for word in ACTIONS[action].label.split()]
    pieces: list[int] = []
    at: list[int] = []
    for text, is_name in tokens:
        encoded = _spelled(text, is_name, tokenizer)
        pieces.extend(encoded)
        at.extend([names.get(text, -1) if is_name else -1] * len(encoded))
    return pieces, at


def _encode_tokens(
    tokens: Sequence[LexicalToken], names: dict[str, int], tokenizer: TokenEncoder
) -> tuple[list[int], list[int], list[int], dict[int, int], dict[int, int]]:
    """Pieces, spaces, names_at, and the piece index at which each byte offset starts and ends."""
    pieces: list[int] = []
    spaces: list[int] = []
    at: list[int] = []
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for token in tokens:
        encoded = _spelled(token.text, token.is_name, tokenizer)
        if token.end > token.start:
            starts[token.start] = len(pieces)
        pieces.extend(encoded)
        spaces.append(int(token.space_before))
        spaces.extend([0] * (len(encoded) - 1))
        at.extend([names.get(token.text, -1) if token.is_name else -1] * len(encoded))
        if token.end > token.start:
            ends[token.end] = len(pieces)
    return pieces, spaces, at, starts, ends


def model_context(tree: SourceTree, definition: Definition) -> list[str]:
    """The file context that the model reads. It does not depend on the function's own body.

    A context chosen by the names that the body uses would name the right one beside a wrong one
    in training, and only the wrong one in a file with a real bug.
    """
    return file_context(tree, definition, used=frozenset())


def build_example(
    tree: SourceTree,
    node: Node,
    found: FunctionSites,
    context: Sequence[str],
    tokenizer: TokenEncoder,
    *,
    summary: str = "",
    context_limit: int = 128,
) -> Example:
    """Tokenise one function with its sites.

    Args:
        tree: the file.
        node: the function's definition, without decorators.
        found: the function's sites from ``syntax.sites.enumerate_sites``.
        context: single-line snippets of the file, most informative first.
        tokenizer: encodes lexical tokens into pieces.
        summary: the docstring's cleaned first sentence, if known.
        context_limit: pieces of context at most; whole snippets are kept until it is reached.
    """
    texts = list(dict.fromkeys(name for group in found.groups for name in group))
    names = {name: index for index, name in enumerate(texts)}
    pieces, spaces, at, starts, ends = _encode_tokens(lexical_tokens(tree, node), names, tokenizer)
    context_pieces, context_at = _encode_context(context, names, tokenizer, context_limit)
    return Example(
        pieces=np.array(pieces, np.int32),
        spaces=np.array(spaces, np.int32),
        names_at=np.array(at, np.int32),
        context=np.array(context_pieces, np.int32),
        context_names=np.array(context_at, np.int32),
        summary=np.array(tokenizer.encode(summary) if summary else [], np.int32),
        names=Ragged.of([_spelled(name, True, tokenizer) for name in texts]),
        groups=Ragged.of([[names[name] for name in group] for group in found.groups]),
        name_texts=texts,
        **_site_arrays(tree, found.sites, (starts, ends), names, tokenizer),
    )


def _site_arrays(
    tree: SourceTree,
    sites: Sequence[Site],
    bounds: tuple[dict[int, int], dict[int, int]],
    names: dict[str, int],
    tokenizer: TokenEncoder,
) -> dict[str, Any]:
    """The fields of an Example that speak of its sites; ``bounds`` as `_encode_tokens` gives."""
    kept: list[Site] = []
    spans: list[tuple[int, int]] = []
    states: list[int] = []
    options: list[Sequence[int]] = []
    inverses: list[int] = []
    option_pieces: list[list[int]] = []
    option_names: list[int] = []
    for site in sites:
        span = _slot(site, *bounds)
        if span is None:
            continue
        kept.append(site)
        spans.append(span)
        absolute = ACTION_IDS.get((site.family, site.state), -1)
        states.append(names.get(site.state, -1) if site.candidates >= 0 else absolute)
        options.append(site.options)
        for action in site.options:
            written, written_at = _closed_pieces(tree, site, action, names, tokenizer)
            inverses.append(inverse(site, action))
            option_pieces.append(written)
            option_names.extend(written_at)
    return {
        "site_family": np.array([FAMILY_ID[site.family] for site in kept], np.int32),
        "site_start": np.array([start for start, _ in spans], np.int32),
        "site_end": np.array([end for _, end in spans], np.int32),
        "site_state": np.array(states, np.int32),
        "site_group": np.array([site.candidates for site in kept], np.int32),
        "options": Ragged.of(options),
        "option_inverse": np.array(inverses, np.int32),
        "option_pieces": Ragged.of(option_pieces),
        "option_names": np.array(option_names, np.int32),
        "decoys": Ragged.of([]),
        "sites": kept,
    }


def _slot(site: Site, starts: dict[int, int], ends: dict[int, int]) -> tuple[int, int] | None:
    """The slot in pieces; None if it does not lie on tokens of the view."""
    if site.end > site.start:
        first, last = starts.get(site.start), ends.get(site.end)
        return None if first is None or last is None else (first, last)
    point = ends.get(site.start) if site.family == "offset" else starts.get(site.start)
    return None if point is None else (point, point)


def _encode_context(
    snippets: Sequence[str], names: dict[str, int], tokenizer: TokenEncoder, limit: int
) -> tuple[list[int], list[int]]:
    """Snippets as pieces, each ended by a newline piece, until ``limit`` is reached."""
    pieces: list[int] = []
    at: list[int] = []
    newline = tokenizer.encode_token("\n")
    for snippet in snippets:
        encoded: list[int] = []
        encoded_at: list[int] = []
        for text, is_name in _snippet_tokens(snippet):
            piece = _spelled(text, is_name, tokenizer)
            encoded.extend(piece)
            encoded_at.extend([names.get(text, -1) if is_name else -1] * len(piece))
        if len(pieces) + len(encoded) + len(newline) > limit:
            continue
        pieces.extend([*encoded, *newline])
        at.extend([*encoded_at, *([-1] * len(newline))])
    return pieces, at


@lru_cache(maxsize=4096)
def _snippet_tokens(snippet: str) -> list[tuple[str, bool]]:
    """The tokens of a snippet; the functions of a file share most of their snippets."""
    parsed = parse(snippet.encode())
    tokens = lexical_tokens(parsed, parsed.root)
    return [(token.text, token.is_name) for token in tokens if token.end > token.start]
