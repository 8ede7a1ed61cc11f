"""The place of a line in a file: what it takes, how deep it stands, and in which function."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import NamedTuple

from tree_sitter import Node

from codemtl.errors import SourceError
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.lexical import line_around
from codemtl.syntax.missing_line import ENDS
from codemtl.syntax.positions import Positions
from codemtl.syntax.tree import SourceTree, parse

_CLAUSE = re.compile(rb"(elif|else|except|finally|case)\b")
_CODE = re.compile(rb"^([ \t]*)([^\s#].*)", re.M)
_INDENT = re.compile(rb"[ \t]*")


class LinePlace(NamedTuple):
    """Where a line goes."""

    start: int
    end: int
    indent: str  # the white space before it
    written: bool  # whether that stands in the file, before ``start``
    function: Definition | None  # the innermost around it; None at the outermost level


def line_place(tree: SourceTree, positions: Positions, line: int) -> LinePlace:
    """The place of a line (from 1) that is there; of a statement over several lines all of them.

    A blank line stands as deep as what can be run there. Raises SourceError if the line is text.
    """
    data = tree.data
    start, end = positions.offset(line, 0), positions.offset(line, 1 << 30)
    if _in_text(tree, start, end):
        raise SourceError(f"line {line} is part of a string; name a line of code")
    text = data[start:end]
    if not text.strip():
        above = len(data[:start].rstrip())
        indent = _of_blank_line(tree, above, end)
        return LinePlace(start, end, indent.decode(), False, _function(tree, above, indent))
    span = line_around(tree, start + len(text) - len(text.lstrip()))
    if span is not None and _is_sound(tree, span):
        start = positions.offset(positions.line_column(span[0])[0], 0)
        end = positions.offset(positions.line_column(span[1])[0], 1 << 30)
    indent = _indent_at(data, start)
    begin = start + len(indent)
    around = [one for one in functions(tree) if one.start <= begin <= one.end] if indent else []
    return LinePlace(begin, end, indent.decode(), True, around[-1] if around else None)


def _is_sound(tree: SourceTree, span: tuple[int, int]) -> bool:
    """Whether what a line is read as has no syntax error; a broken one may reach into others."""
    node = tree.root.descendant_for_byte_range(*span)
    return node is not None and not node.has_error


def _in_text(tree: SourceTree, start: int, end: int) -> bool:
    """Whether a line begins inside a string, or a string of several lines begins it."""
    data = tree.data[start:end]
    first = start + len(data) - len(data.lstrip())
    node = tree.root.descendant_for_byte_range(first, first)
    while node is not None:
        if node.type == "string" and node.start_byte < start < node.end_byte:
            return True
        if node.type == "expression_statement" and node.start_byte == first:
            only = node.named_children[0].type if node.named_children else ""
            return only == "string" and node.end_byte > end
        node = node.parent
    return False


def _of_blank_line(tree: SourceTree, above: int, end: int) -> bytes:
    """The white space that a blank line should begin with; what is ``above`` it ends there."""
    before, below = tree.data[:above], _CODE.finditer(tree.data, end)
    outer = _opened(before)
    if outer is not None:
        block = [line[1] for line in takewhile(lambda line: len(line[1]) > len(outer), below)]
        return min(block, key=len, default=outer + _unit(tree.data))
    last = _statement_before(tree, above)
    indent = _indent_at(before, above if last is None else last.start_byte)
    if last is None or last.type.removesuffix("_statement") not in ENDS:
        return indent
    following = next(below, None)
    if following is None:  # nothing is run after the last statement of a function
        return b""
    shallower = len(following[1]) < len(indent) and not _CLAUSE.match(following[2])
    return following[1] if shallower else indent


def _statement_before(tree: SourceTree, offset: int) -> Node | None:
    """The statement that ends there, or with a comment; None after a line that is one."""
    if not offset:
        return None
    node = tree.root.descendant_for_byte_range(offset - 1, offset)
    if node is not None and node.type == "comment":
        code = tree.data[: node.start_byte].rstrip(b" \t")
        return None if code[-1:] in (b"\n", b"\r") else _statement_before(tree, len(code))
    if node is None:
        return None
    while node.parent is not None and node.parent.type not in ("block", "module"):
        node = node.parent
    return node


def _function(tree: SourceTree, offset: int, indent: bytes) -> Definition | None:
    """The innermost function up to ``offset`` that a line with that white space belongs to."""
    around = [one for one in functions(tree) if one.start <= offset <= one.end]
    outside = [
        one for one in around
        if len(_indent_at(tree.data, one.node.start_byte)) < len(indent)
    ]  # fmt: skip
    return outside[-1] if outside else None


def _indent_at(data: bytes, offset: int) -> bytes:
    """The white space at the start of the line that ``offset`` lies in."""
    start = max(data.rfind(b"\n", 0, offset), data.rfind(b"\r", 0, offset)) + 1
    found = _INDENT.match(data, start)
    return found[0] if found else b""


def _opened(before: bytes) -> bytes | None:
    """The indentation of the statement whose block begins after ``before``; None if none does."""
    tree = parse(before + b"\n" + _indent_at(before, len(before)) + b"    pass")
    end = len(before)
    while end:
        leaf = tree.root.descendant_for_byte_range(end - 1, end)
        if leaf is None or leaf.type != "comment":
            break
        end = len(before[: leaf.start_byte].rstrip())
    if not end or leaf is None or leaf.type != ":" or leaf.parent is None:
        return None
    if not leaf.parent.type.endswith(("_statement", "_clause", "_definition")):
        return None
    return _indent_at(before, leaf.parent.start_byte)


def _unit(data: bytes) -> bytes:
    """One level of the file's indentation."""
    found = re.search(rb"^(\t| +)(?=\S)", data, re.M)
    return b"    " if found is None else found[1]
