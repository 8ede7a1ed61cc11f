r"""Where the statements of a file begin, told by its lines, so that only a changed one is parsed.

Example: in a file of forty functions one line of ``Shelf.find`` changed. Then the window holds the
header of ``class Shelf`` and the text of ``find``, and the rest of the file is never parsed.

What Python and the grammar make of a statement does not depend on the statements before it, once
it is known where it begins. That takes strings, comments, brackets and continued lines into
account, all of which one regular expression does. It gives up (None) where it cannot be sure, as in
a string without end, brackets without their like, or a carriage return alone; the caller then
parses the whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from codemtl.syntax.edits import common_prefix
from codemtl.syntax.tree import Span

DEPTH = 8  # brackets inside brackets

_STRING = (
    rb'"""[^"\\]*+(?:(?:\\[\s\S]|"(?!""))[^"\\]*+)*+"""|'
    rb"'''[^'\\]*+(?:(?:\\[\s\S]|'(?!''))[^'\\]*+)*+'''|"
    rb'"(?!"")[^"\\\n]*+(?:\\[\s\S][^"\\\n]*+)*+"|'
    rb"'(?!'')[^'\\\n]*+(?:\\[\s\S][^'\\\n]*+)*+'"
)
_JOINED = (b"else", b"elif", b"except", b"finally")  # begin a line, but no statement
_TEXT = re.compile(rb"\s*[bBfFrRuU]{0,2}[\"']")
_CLASS = b"class _:\n"  # stands for the header above a member that is looked at alone


class Window(NamedTuple):
    """The spans of two versions of a file that hold all changes: the rest is equal by bytes."""

    old: list[Span]
    new: list[Span]
    old_bounds: list[int]  # of all statements of the old version
    new_bounds: list[int]  # of the changed ones of the new version


class _Members(NamedTuple):
    """The body of a class."""

    header: Span  # to the first member; decorators included
    starts: list[int]
    indentation: bytes


def changed_window(old: bytes, new: bytes) -> Window | None:
    """The window of two different texts in UTF-8, or None where it cannot be told for sure."""
    if any(b"\f" in one or one.count(b"\r") > one.count(b"\r\n") for one in (old, new)):
        return None
    starts = _split(old, (0, len(old)), b"")
    if starts is None:
        return None
    first, end, new_end = difference(old, new)
    before = _around(starts, (first, end), len(old))
    after = (before[0], before[1] + new_end - end)
    changed = _split(new, after, b"")
    if changed is None:
        return None
    bounds = [*starts, len(old)], [*changed, after[1]]
    within = None
    if len(changed) == 1 and bisect_right(starts, before[1] - 1) == starts.index(before[0]) + 1:
        within = _inside_class(old, new, before, (first, end, new_end))
    if within is not None:
        return Window(*within, *bounds)
    heads = [(0, starts[1])] if _needs_head(old, new, before[0], 0) else []
    return Window([*heads, before], [*heads, after], *bounds)


def difference(old: bytes, new: bytes) -> tuple[int, int, int]:
    """Where two texts begin to differ, and the ends of what differs in each."""
    start = common_prefix(old, new)
    tail = common_prefix(old[start:][::-1], new[start:][::-1])
    return start, len(old) - tail, len(new) - tail


def _inside_class(
    old: bytes, new: bytes, block: Span, change: tuple[int, int, int]
) -> tuple[list[Span], list[Span]] | None:
    """The header and the changed members of a class that holds the whole change."""
    first, end, new_end = change
    members = _members(old, block)
    if members is None or first <= members.starts[0]:
        return None
    before = _around(members.starts, (first, end), block[1])
    after = (before[0], before[1] + new_end - end)
    if _split(new, after, members.indentation) is None:
        return None
    heads = [members.header]
    if _needs_head(old, new, before[0], members.starts[0]):
        heads.append((members.starts[0], members.starts[1]))
    return [*heads, before], [*heads, after]


def _needs_head(old: bytes, new: bytes, start: int, first: int) -> bool:
    """Whether what begins at ``start`` could pass for a docstring if nothing stood before it."""
    return start > first and any(_TEXT.match(text, start) for text in (old, new))


def _around(starts: Sequence[int], change: Span, total: int) -> Span:
    """The statements that hold a change, and the bytes at both sides of it."""
    low = starts[max(bisect_right(starts, change[0] - 1) - 1, 0)]
    high = bisect_right(starts, change[1])
    return low, starts[high] if high < len(starts) else total


def parts(text: bytes, bounds: Sequence[int]) -> Iterator[bytes]:
    """Statements as texts that can be parsed alone; the members of a class one by one."""
    for start, end in pairwise(bounds):
        members = _members(text, (start, end))
        if members is None:
            yield text[start:end]
            continue
        for low, high in pairwise([*members.starts, end]):
            alone = low > members.starts[0]
            yield _CLASS + text[low:high] if alone else text[start:high]


def _members(text: bytes, block: Span) -> _Members | None:
    """The members of a class definition; None for other statements and a class of one line."""
    start, end = block
    line = _line()
    while not text.startswith(b"class", start):  # decorators, and comments above the first
        if not text.startswith((b"@", b"#", b"\n", b"\r"), start):
            return None
        found = line.match(text, start, end)
        if found is None:
            return None
        start = found.end()
    header = line.match(text, start, end)
    if header is None:
        return None
    above = _blank_lines().match(text, header.end(), end)
    indentation = _indentation().match(text, above.end() if above else header.end(), end)
    if indentation is None:
        return None
    first = indentation.start()
    starts = _split(text, (first, end), indentation.group())
    return None if starts is None else _Members((block[0], first), starts, indentation.group())


def _split(text: bytes, span: Span, indentation: bytes) -> list[int] | None:
    """Where the statements of a block begin, decorated ones at the decorator; None if unsure."""
    position, end = span
    starts: list[int] = []
    if not indentation and not position:
        above = _blank_lines().match(text)
        position = above.end() if above else 0
    match = _statement(indentation).match
    column = len(indentation)
    decorated = False
    while position < end:
        found = match(text, position, end)
        if found is None:
            return None
        goes_on = decorated or text.startswith(_JOINED, position + column)
        if not (goes_on and starts):
            starts.append(position)
        decorated = text.startswith(b"@", position + column)
        position = found.end()
    if not starts:
        return None
    if not indentation and not span[0]:
        starts[0] = 0  # with the comments above it
    return starts


def _brackets() -> bytes:
    inside = rb"""[^()\[\]{}"'#]++|#[^\n]*+|""" + _STRING
    pattern = rb"[(\[{](?:" + inside + rb")*+[)\]}]"
    for _ in range(DEPTH):
        pattern = rb"[(\[{](?:" + inside + rb"|" + pattern + rb")*+[)\]}]"
    return pattern


@cache
def _logical_line() -> bytes:
    inside = rb"""[^()\[\]{}"'#\\\n]++|#[^\n]*+|\\\r?\n|""" + _STRING + rb"|" + _brackets()
    return rb"(?!\Z)(?:" + inside + rb")*+(?:\n|\Z)"


@cache
def _line() -> re.Pattern[bytes]:
    return re.compile(_logical_line())


@cache
def _blank_lines() -> re.Pattern[bytes]:
    """Lines without code."""
    return re.compile(rb"(?:[ \t]*+(?:\r?\n|#[^\n]*+(?:\n|\Z)))*+")


@cache
def _indentation() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]++(?=[^\s#])")


@cache
def _statement(indentation: bytes) -> re.Pattern[bytes]:
    """A logical line of this indentation, those that are further in, and lines without code."""
    more = re.escape(indentation) + rb"[ \t]|[ \t]*+(?:\r?\n|#|\Z)"
    line = _logical_line()
    return re.compile(
        re.escape(indentation) + rb"(?=[^\s#])" + line + rb"(?:(?=" + more + rb")" + line + rb")*+"
    )
