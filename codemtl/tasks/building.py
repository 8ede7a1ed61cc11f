"""Examples from live source: parse tree in, the arrays of `tasks.example` out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from tree_sitter import Node

from codemtl.syntax.actions import ACTION_IDS, ACTIONS, FunctionSites, Site, edit_for, inverse
from codemtl.syntax.context import file_facts
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.docstrings import summary_of
from codemtl.syntax.edits import Edit
from codemtl.syntax.lexical import LexicalToken, lexical_tokens, logical_lines
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.example import (
    CONTINUES,
    FAMILY_ID,
    NEAR,
    Example,
    Ints,
    Layout,
    Ragged,
    Siblings,
    line_spans,
)
from codemtl.tasks.similar import most_alike

HOLE = "__codemtl_hole__"  # a name that stands where text is wanted
_HEADS = ("if", "except", "case", "match", "(")  # what stands before HOLE as a head of a block
SIMILAR = 32  # functions of the files beside one that may tell something of a function of it


class TokenEncoder(Protocol):
    """What an example needs of a tokenizer."""

    def encode_token(self, text: str) -> tuple[int, ...]:
        """The pieces of one lexical token, CONTINUES set on those that do not begin a word."""
        ...

    def encode(self, text: str) -> list[int]:
        """The pieces of any text."""
        ...

    def __hash__(self) -> int:
        """What was made of a file with it is kept."""
        ...


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
    return file_facts(tree).context(definition, by_use=False)


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


def line_bytes(
    tree: SourceTree, node: Node, tokenizer: TokenEncoder, layout: Layout
) -> tuple[Ints, list[tuple[int, int]]]:
    """The pieces of a function, and where each logical line begins and ends in its file.

    (0, 0) where a line is part of a string of several.
    """
    pieces, _, _, starts, ends = _encode_tokens(lexical_tokens(tree, node), {}, tokenizer)
    found = np.array(pieces, np.int32)
    first = {piece: byte for byte, piece in starts.items()}
    last = {piece: byte for byte, piece in ends.items()}
    bounds = [
        (first[start], last[end]) if start in first and end in last else (0, 0)
        for start, end in line_spans(found, layout)
    ]
    return found, bounds


def siblings(tree: SourceTree, definition: Definition, tokenizer: TokenEncoder) -> Siblings:
    """The other functions of the file, the nearest, and those most like it of files beside it.

    What is known of the last files is kept. Prepared data have windows of functions of the file
    instead, and only of those that training learns from.
    """
    places, all_of_them = _functions(tree, tokenizer)
    own = np.flatnonzero(places == outermost(definition).start)
    low, high = (int(own[0]), int(own[-1]) + 1) if len(own) else (0, 0)
    rows = np.r_[max(0, low - NEAR) : low, high : min(high + NEAR, len(places))]
    found = [table.select(rows) for table in all_of_them]
    if tree.beside and len(own):
        there = _beside(tree.beside, tokenizer)
        alike = np.array(most_alike(there[0], all_of_them[0][low])[:SIMILAR], np.int64)
        found = [Ragged.joined([a, b.select(alike)]) for a, b in zip(found, there, strict=True)]
    return Siblings(*found)


def with_mask(pieces: Ints, tokenizer: TokenEncoder, mask: int) -> tuple[Ints, int]:
    """``mask`` in the place of the name HOLE, and where that is; at the end if it is nowhere.

    A head of a block that has it, as `inference.prompts.stand_in` makes them, is replaced as a
    whole.
    """
    hole, colon, *heads = (
        np.array(tokenizer.encode_token(text), np.int32) for text in (HOLE, ":", *_HEADS)
    )
    at = _index(pieces, hole, 0)
    end = at + len(hole)
    for head in heads:
        if np.array_equal(pieces[max(0, at - len(head)) : at], head):
            at, end = at - len(head), _index(pieces, colon, end) + len(colon)
            break
    return np.concatenate([pieces[:at], [mask], pieces[end:]]).astype(np.int32), at


def _index(pieces: Ints, wanted: Ints, begin: int) -> int:
    """Where some pieces stand first, from ``begin`` on; at the end if they are nowhere."""
    places = range(begin, len(pieces) - len(wanted) + 1)
    found = (at for at in places if np.array_equal(pieces[at : at + len(wanted)], wanted))
    return next(found, len(pieces))


def spaced_lines(tree: SourceTree) -> dict[str, str]:
    """The logical lines of a file's functions as they stand there, by their text without spaces."""
    lines = [line for one in functions(tree) for line in logical_lines(tree, one.node)]
    return {"".join(line.split()): line for line in reversed(lines)}


def text_pieces(text: str, tokenizer: TokenEncoder, space: int) -> list[int]:
    """The pieces of a line of code as a decoder writes it: the piece ``space`` between words."""
    tree = parse(text.encode())
    pieces, spaces, *_ = _encode_tokens(lexical_tokens(tree, tree.root), {}, tokenizer)
    written: list[int] = []
    for piece, spaced in zip(pieces, spaces, strict=True):
        written += [space] * (spaced and bool(written)) + [piece & (CONTINUES - 1)]
    return written


def outermost(definition: Definition) -> Definition:
    """The function around a function around it, if there is one."""
    found = definition
    while definition.parent is not None:
        definition = definition.parent
        if definition.kind == "function":
            found = definition
    return found


@lru_cache(maxsize=32)  # as many files as are asked of together
def _functions(tree: SourceTree, tokenizer: TokenEncoder) -> tuple[Ints, tuple[Ragged, Ragged]]:
    """All functions of a file: where the outermost around each begins, pieces and summaries."""
    places, pieces, summaries = [], [], []
    for one in functions(tree):
        places.append(outermost(one).start)
        pieces.append(_encode_tokens(lexical_tokens(tree, one.node), {}, tokenizer)[0])
        says = summary_of(tree, one.node)
        summaries.append(tokenizer.encode(says) if says else [])
    return np.array(places, np.int32), (Ragged.of(pieces), Ragged.of(summaries))


@lru_cache(maxsize=32)
def _beside(texts: tuple[bytes, ...], tokenizer: TokenEncoder) -> tuple[Ragged, Ragged]:
    """All functions of the files beside one, as `_functions`."""
    pieces, summaries = zip(*(_functions_of(text, tokenizer) for text in texts), strict=True)
    return Ragged.joined(pieces), Ragged.joined(summaries)


@lru_cache(maxsize=256)
def _functions_of(text: bytes, tokenizer: TokenEncoder) -> tuple[Ragged, Ragged]:
    """The same of one file: it stands beside many."""
    return _functions.__wrapped__(parse(text), tokenizer)[1]


def mark_fix(example: Example, tree: SourceTree, fix: Edit) -> bool:
    """Note in an example from live source which site and choice make ``fix``; False if none do."""
    for index, site in enumerate(example.sites):
        if site.candidates >= 0:
            if (site.start, site.end) == (fix.start, fix.end) and fix.replacement in (
                example.name_texts
            ):
                example.fix = np.array([index, example.name_texts.index(fix.replacement)], np.int32)
                return True
            continue
        for action in site.options:
            if edit_for(tree, site, action) == fix:
                example.fix = np.array([index, action], np.int32)
                return True
    return False


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
