"""One hash per function that ignores layout, for deduplication, split hygiene and exclusions.

Two functions with equal lexical tokens (names kept; comments, docstrings, spacing and the width
of indentation dropped) have equal hashes wherever they come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache

from tree_sitter import Node, Query, QueryCursor

from codemtl.syntax.lexical import LexicalToken, lexical_tokens
from codemtl.syntax.tree import SourceTree, language


def function_tokens(tree: SourceTree, node: Node) -> list[LexicalToken]:
    r"""``lexical_tokens`` with every string content and format specifier as one whole token.

    Nodes inside strings have text between their leaves (around an escape sequence);
    taking them whole keeps ``"a\n"`` and ``"b\n"`` apart.
    """
    found = lexical_tokens(tree, node)
    text = tree.data[node.start_byte : node.end_byte]
    if b"\\" not in text and b"{" not in text:
        return found
    spans = _opaque_spans(node)
    if not spans:
        return found
    out: list[LexicalToken] = []
    position = 0
    for token in found:
        while position < len(spans) and spans[position][1] <= token.start:
            position += 1
        inside = position < len(spans) and spans[position][0] <= token.start < spans[position][1]
        if not inside or token.start == token.end:
            out.append(token)
        elif not out or out[-1].start != spans[position][0]:
            start, end = spans[position]
            whole = tree.data[start:end].decode("utf-8", "replace")
            out.append(LexicalToken(whole, start, end, False, False))
    return out


def token_hash(texts: Iterable[str]) -> int:
    """Signed 64-bit BLAKE2b of token texts, fit for an Arrow ``int64`` column."""
    digest = hashlib.blake2b("\0".join(texts).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def function_hash(tree: SourceTree, node: Node) -> int:
    """The normalised-token hash of a function (decorators are not part of ``node``)."""
    return token_hash(token.text for token in function_tokens(tree, node))


def view_text(tokens: Iterable[LexicalToken]) -> str:
    """Tokens as text: a single space where the source had any, newline tokens as they are."""
    return "".join((" " if token.space_before else "") + token.text for token in tokens)


@cache
def _opaque_query() -> Query:
    return Query(language(), "[(string_content (_)) (format_specifier)] @opaque")


def _opaque_spans(node: Node) -> list[tuple[int, int]]:
    captured = QueryCursor(_opaque_query()).captures(node).get("opaque", [])
    spans: list[tuple[int, int]] = []
    for start, end in sorted({(found.start_byte, found.end_byte) for found in captured}):
        if not spans or start >= spans[-1][1]:  # a specifier may hold another inside
            spans.append((start, end))
    return spans
