"""Lossless, error-tolerant syntax trees.

Everything downstream works on byte offsets into the UTF-8 text that was parsed; ``positions``
converts them to what people and editors use.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Point, Query, QueryCursor, Tree

from codemtl.syntax.edits import common_prefix
from codemtl.syntax.history import UNKNOWN, History

DEFINITION_TYPES = ("function_definition", "class_definition")


class Token(NamedTuple):
    """A leaf of the tree: a run of bytes that the grammar does not divide further."""

    type: str
    start: int  # byte offset
    end: int  # byte offset, exclusive


class SourceTree(NamedTuple):
    """Parsed source: ``data`` is the UTF-8 text, ``tree`` the tree-sitter tree over it."""

    data: bytes
    tree: Tree
    beside: tuple[bytes, ...] = ()  # texts of files beside it, which show how things are done here
    history: History = UNKNOWN

    @property
    def root(self) -> Node:
        """The module node."""
        return self.tree.root_node

    def text(self, node: Node) -> str:
        """The source text of a node; bytes that are not UTF-8 become U+FFFD."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")


@cache
def language() -> Language:
    """The Python grammar."""
    return Language(tree_sitter_python.language())


def parse(data: bytes, beside: tuple[bytes, ...] = (), history: History = UNKNOWN) -> SourceTree:
    """Parse any bytes; broken code gives a tree with ERROR or MISSING nodes, never an exception."""
    return SourceTree(data, Parser(language()).parse(data), beside, history)


def reparse(before: SourceTree, data: bytes) -> SourceTree:
    """Parse a new version of a text, reusing what is unchanged: several times as fast."""
    old = before.data
    start = common_prefix(old, data)
    tail = common_prefix(old[start:][::-1], data[start:][::-1])
    tree = before.tree.copy()
    end, new_end = len(old) - tail, len(data) - tail
    tree.edit(start, end, new_end, _point(old, start), _point(old, end), _point(data, new_end))
    return SourceTree(data, Parser(language()).parse(data, tree), before.beside)


def _point(data: bytes, offset: int) -> Point:
    return Point(data.count(b"\n", 0, offset), offset - data.rfind(b"\n", 0, offset) - 1)


def tokens(node: Node) -> Iterator[Token]:
    """The leaves below ``node`` in source order. A whole string is made of several leaves."""
    cursor = node.walk()
    while True:
        if cursor.goto_first_child():
            continue
        leaf = cursor.node
        if leaf is not None and leaf.end_byte > leaf.start_byte:
            yield Token(leaf.type, leaf.start_byte, leaf.end_byte)
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def walk(node: Node) -> Iterator[Node]:
    """A node and all named ones below it, in source order, outer ones before inner ones."""
    stack = [node]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.named_children))


def captures(query: Query, node: Node) -> dict[str, list[Node]]:
    """The nodes that ``query`` captures below ``node``, by capture name, in source order.

    Outer nodes come before inner ones. The library hands them out in an order that changes from
    run to run; queries are searched in C, so this is the fast way to find nodes of known types.
    """
    found = QueryCursor(query).captures(node)
    for nodes in found.values():
        nodes.sort(key=_source_order)
    return found


def reassemble(tree: SourceTree) -> bytes:
    """The text put together again from the leaves and the gaps between them.

    Equal to ``tree.data`` for any input, because leaves never overlap and never leave the text;
    raises ValueError if the tree says otherwise.
    """
    parts: list[bytes] = []
    position = 0
    for token in tokens(tree.root):
        if token.start < position:
            raise ValueError(f"leaf {token.type!r} at byte {token.start} overlaps the one before")
        parts += (tree.data[position : token.start], tree.data[token.start : token.end])
        position = token.end
    if position > len(tree.data):
        raise ValueError(f"the last leaf ends at byte {position}, after the end of the text")
    parts.append(tree.data[position:])
    return b"".join(parts)


def error_count(tree: SourceTree) -> int:
    """How many ERROR and MISSING nodes the tree holds; 0 if the grammar accepts the text."""
    return sum(1 for _ in errors(tree))


def errors(tree: SourceTree) -> Iterator[Node]:
    """The ERROR and MISSING nodes in source order."""
    if not tree.root.has_error:
        return
    cursor = tree.root.walk()
    while True:
        node = cursor.node
        assert node is not None
        if node.is_error or node.is_missing:
            yield node
        if node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _source_order(node: Node) -> tuple[int, int]:
    return node.start_byte, -node.end_byte
