"""Edits of source as byte spans, and the unified diff that shows them.

An edit never re-prints code: everything outside its span stays as the user wrote it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from codemtl.errors import EditError

NO_NEWLINE = "\\ No newline at end of file\n"
CONTEXT_LINES = 3
AUTOJUNK_LINES = 5000  # above, a diff may be longer than needed, but is found in time


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the bytes from ``start`` to ``end`` (exclusive) by ``replacement``, UTF-8."""

    start: int
    end: int
    replacement: str


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Apply edits that do not overlap, in any order; offsets are those of ``data``.

    Raises EditError if two edits overlap, if two insertions share a place (their order would be
    a guess), if a span lies outside ``data`` or if a replacement cannot be encoded.
    """
    parts: list[bytes] = []
    position = 0
    previous: Edit | None = None
    for edit in sorted(edits):
        if not 0 <= edit.start <= edit.end <= len(data):
            raise EditError(
                f"the edit of bytes {edit.start} to {edit.end} lies outside the text "
                f"of {len(data)} bytes"
            )
        if previous is not None and (
            edit.start < position or edit.end == previous.start  # two insertions
        ):
            raise EditError(
                f"the edits of bytes {previous.start} to {previous.end} and {edit.start} to "
                f"{edit.end} overlap; apply one of them, then look again"
            )
        try:
            new = edit.replacement.encode("utf-8")
        except UnicodeEncodeError as error:
            raise EditError(f"the replacement is not valid text: {error}") from error
        parts += (data[position : edit.start], new)
        position, previous = edit.end, edit
    parts.append(data[position:])
    return b"".join(parts)


def common_prefix(one: Sequence[Any], two: Sequence[Any]) -> int:
    """How many items at the start of two sequences are equal; quick on bytes."""
    low, high = 0, min(len(one), len(two))
    if not high or one[0] != two[0]:
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def difference(old: bytes, new: bytes) -> Edit:
    """The one edit from ``old`` to ``new``."""
    start = common_prefix(old, new)
    tail = min(common_prefix(old[::-1], new[::-1]), min(len(old), len(new)) - start)
    while start and old[start : start + 1] and 0x80 <= old[start] < 0xC0:
        start -= 1  # not within a character
    while tail and 0x80 <= old[len(old) - tail] < 0xC0:
        tail -= 1
    return Edit(start, len(old) - tail, new[start : len(new) - tail].decode())


def unified_diff(path: str, old: str, new: str, *, rooted: bool = False) -> str:
    """A unified diff from ``old`` to ``new`` that ``git apply`` takes; empty if they are equal.

    ``path`` has ``/``. Where it is ``rooted``, relative to the root of the repository, a line says
    so, and git does not guess how much of it lies above the current folder. Only line feeds end a
    line, as git has it, so carriage returns, form feeds and the like stay inside the lines.
    """
    if old == new:
        return ""
    before, after = _lines(old), _lines(new)
    head = common_prefix(before, after)
    rest = min(len(before), len(after)) - head
    tail = min(common_prefix(before[::-1], after[::-1]), rest)
    # Comparing all lines of a long file would take minutes; only the part that differs matters.
    skip, keep = max(0, head - CONTEXT_LINES), max(0, tail - CONTEXT_LINES)
    before, after = before[skip : len(before) - keep], after[skip : len(after) - keep]
    names = [_quoted(side + path).rstrip("\t") for side in ("a/", "b/")]
    header = f"diff --git {names[0]} {names[1]}\n" if rooted else ""
    return header + "".join(_diff(path, before, after, skip))


def _diff(path: str, before: list[str], after: list[str], skip: int) -> Iterator[str]:
    """The diff of two lists of lines that stand ``skip`` lines below the start of their files."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=len(after) > AUTOJUNK_LINES)
    yield f"--- {_quoted('a/' + path)}\n+++ {_quoted('b/' + path)}\n"
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        first, last = group[0], group[-1]
        old_range = _range(skip + first[1], skip + last[2])
        yield f"@@ -{old_range} +{_range(skip + first[3], skip + last[4])} @@\n"
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (_marked(" ", line) for line in before[old_from:old_to])
                continue
            yield from (_marked("-", line) for line in before[old_from:old_to])
            yield from (_marked("+", line) for line in after[new_from:new_to])


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _marked(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else mark + line + "\n" + NO_NEWLINE


def _range(start: int, end: int) -> str:
    """The lines of a hunk; an empty range names the line before it."""
    length = end - start
    return f"{start + 1 if length else start},{length}"


def _quoted(path: str) -> str:
    """The path as git writes it: in quotes with escapes where it has special characters."""
    if path.isprintable() and not any(char in path for char in '"\\\t'):
        # A blank at the end of the name would be lost; git ends such a name with a tab.
        return path + "\t" if " " in path else path
    escaped = "".join(_escaped(byte) for byte in path.encode("utf-8", "surrogateescape"))
    return f'"{escaped}"'


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '"\\':
        return "\\" + char
    return char if 32 <= byte < 127 else f"\\{byte:03o}"
