"""What the rest of a function says of a line that is missing in it.

Example, where the second line is missing:

    def area(width, height, unit):
        <missing>
        return convert(size, unit)

``width`` and ``height`` are bound and never read, so the line probably reads them; ``size`` is read
and never bound, so it probably binds it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from tree_sitter import Node, Query

from codemtl.syntax.definitions import Definition
from codemtl.syntax.lexical import logical_lines
from codemtl.syntax.names import (
    AUGMENTED_STORE,
    CALLEE,
    IMPORT,
    LOAD,
    PARAMETER,
    PATTERN,
    STORE,
    WORD,
)
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import SourceTree, captures, language, parse

_CLAUSE = re.compile(r"(elif|else|except|finally)\b")
_OWN = frozenset({"self", "cls"})
_SHORT = 3  # characters of a string that says nothing: its quotes and one more
_FEW, _FIRST = 3, 2  # names that are wanted
_READS = (LOAD, CALLEE, AUGMENTED_STORE)
_BINDS = (STORE, PARAMETER, IMPORT, PATTERN)
ENDS = frozenset({"return", "raise", "continue", "break"})  # nothing is run after them


class LineFacts(NamedTuple):
    """What one line of code does."""

    kind: str  # of statement: assignment, call, return, if, else, ...; "" if it is broken
    reads: frozenset[str]  # names, those that it binds for itself left out
    binds: frozenset[str]
    words: frozenset[str]  # names, attributes and keywords
    strings: frozenset[str]
    text: str  # without spaces


@lru_cache(maxsize=1024)
def line_facts(text: str) -> LineFacts:
    """Of a logical line; the head of a block needs no block."""
    code = text.strip()
    clause = _CLAUSE.match(code)
    code += " pass" if code.endswith(":") else ""
    if clause:
        code = ("if 0: pass\n" if clause[1].startswith("el") else "try: pass\n") + code
    tree = parse(code.encode())
    scopes = analyze(tree)
    reads = {
        one.name for one in scopes.names
        if one.role in _READS and scopes.resolve(one.scope, one.name) <= 0
    }  # fmt: skip
    first = tree.root.named_children[0] if tree.root.named_children else None
    return LineFacts(
        clause[1] if clause else _kind(first),
        frozenset(reads),
        frozenset(scopes.scopes[0].bound),
        frozenset(words(text.encode())),
        frozenset(_strings(tree, tree.root)),
        packed(text),
    )


class MissingLine:
    """The place of a missing line in a function."""

    def __init__(self, tree: SourceTree, function: Definition, start: int, name: str) -> None:
        """``name`` stands in place of the line, at the byte ``start`` of the file.

        Where it is the head of a block, as ``if name:``.
        """
        scopes, node = analyze(tree), function.node
        end = start + len(name.encode())
        names = [
            one for one in scopes.names_within(node.start_byte, node.end_byte)
            if not start <= one.start < end
        ]  # fmt: skip
        read = [one for one in names if one.role in _READS]
        self.read_below = dict.fromkeys(one.name for one in read if one.start > start)
        inner = [one for one in scopes.scopes if node.start_byte <= one.start < node.end_byte]
        bound = {name for one in inner for name in one.parameters}
        bound |= {one.name for one in names if one.role in _BINDS and one.start < start}
        self.unread = {
            name for name in bound - {one.name for one in read} - _OWN
            if not name.startswith("_") and name != function.name
        }  # fmt: skip
        self.wanted = {
            one.name for one in read if scopes.resolve(one.scope, one.name) == -2
        }  # fmt: skip
        self._scopes, self._scope = scopes, scopes.scope_at(start).index
        lines = logical_lines(tree, node)
        own = next((row for row, line in enumerate(lines) if name in line), len(lines))
        self.beside = {packed(lines[row]) for row in (own - 1, own + 1) if 0 < row < len(lines)}
        self.strings = _strings(tree, node)
        self.words = words(tree.data)
        self.last = _is_last(tree, start, end)  # of its block

    def wanted_below(self) -> list[str]:
        """The first names that are wanted below the place, none if they are many.

        So many may come from a star import.
        """
        found = [name for name in self.read_below if name in self.wanted]
        return found[:_FIRST] if len(found) <= _FEW else []

    def defined(self, name: str) -> bool:
        """Whether a name means something at the place."""
        return name in self.wanted or self._scopes.resolve(self._scope, name) != -2


def packed(text: str) -> str:
    """Text without blanks, by which lines are compared."""
    return "".join(text.split())


def words(data: bytes) -> set[str]:
    """The words of a text."""
    return {word.decode("utf-8", "replace") for word in WORD.findall(data)}


def _kind(statement: Node | None) -> str:
    if statement is None or statement.is_error or statement.type == "ERROR":
        return ""
    if statement.type == "expression_statement" and statement.named_children:
        return statement.named_children[0].type
    return statement.type.removesuffix("_statement").removesuffix("_definition")


def _strings(tree: SourceTree, node: Node) -> set[str]:
    found = {tree.text(one) for one in captures(_query(), node).get("string", [])}
    return {text for text in found if len(text) > _SHORT}


@cache
def _query() -> Query:
    return Query(language(), "(string) @string")


def _is_last(tree: SourceTree, start: int, end: int) -> bool:
    """Whether no statement follows the one at a span in its block."""
    node = tree.root.descendant_for_byte_range(start, end)
    while node is not None and node.parent is not None and node.parent.type != "block":
        node = node.parent
    after = None if node is None else node.next_named_sibling
    while after is not None and after.type == "comment":
        after = after.next_named_sibling
    return after is None
