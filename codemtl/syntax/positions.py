"""Byte offsets to what people and editors count in, and back.

The tree counts bytes of UTF-8, the command line shows lines from 1 and columns from 0 in code
points, and editors speak lines from 0 and UTF-16 units. This is the one converter between them.
Lines end as Python has it: line feed, carriage return, or both together.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal

from codemtl.errors import SourceError

Encoding = Literal["utf-8", "utf-16", "utf-32"]  # of the columns of an editor
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Positions:
    """Positions in ``data``, UTF-8 text; bytes that are not UTF-8 count as one column each."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        ends = [match.span() for match in _LINE_END.finditer(data)]
        self._starts = [0, *(end for _, end in ends)]
        self._ends = [*(start for start, _ in ends), len(data)]  # without the line's ending

    @property
    def line_count(self) -> int:
        """Number of lines; text that ends with a line end has an empty last line."""
        return len(self._starts)

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line (from 1) and column (from 0, code points) of a byte offset.

        An offset inside a character gives the column of that character; one between carriage
        return and line feed gives the end of its line. Raises SourceError if it is out of range.
        """
        line, text = self._before(offset)
        return line + 1, len(text)

    def units(self, offset: int, encoding: Encoding) -> tuple[int, int]:
        """Line and column, both from 0, in units of an encoding that an editor has asked for.

        Raises SourceError if the offset is out of range.
        """
        line, text = self._before(offset)
        if encoding == "utf-8":
            return line, _size(text)
        pairs = sum(char > "\uffff" for char in text) if encoding == "utf-16" else 0
        return line, len(text) + pairs

    def offset(self, line: int, column: int) -> int:
        """Byte offset of a line (from 1) and column (from 0, code points).

        A column past the end of the line gives the end of the line, before its line end. Raises
        SourceError if there is no such line or the column is negative.
        """
        if not 1 <= line <= len(self._starts) or column < 0:
            raise SourceError(
                f"there is no line {line}, column {column}: the text has "
                f"{len(self._starts)} lines and columns start at 0"
            )
        start = self._starts[line - 1]
        text = _decode(self.data[start : self._ends[line - 1]])
        return start + _size(text[:column])

    def _before(self, offset: int) -> tuple[int, str]:
        """The line (from 0) of an offset, and the text of the line before the offset."""
        if not 0 <= offset <= len(self.data):
            raise SourceError(f"offset {offset} lies outside the text of {len(self.data)} bytes")
        line = bisect_right(self._starts, offset) - 1
        end = min(offset, self._ends[line])
        start = self._starts[line]
        data = self.data
        # A continuation byte lies inside a character: go back to its first byte, if it is one.
        back = end
        while end < len(data) and end - back < 3 and back > start and data[back] & 0xC0 == 0x80:
            back -= 1
        if back < end and _is_character(data[back : back + 4], end - back):
            end = back
        return line, _decode(data[start:end])


def _decode(data: bytes) -> str:
    # Each byte that is not UTF-8 becomes one surrogate, so that sizes can be taken back.
    return data.decode("utf-8", "surrogateescape")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _is_character(data: bytes, inside: int) -> bool:
    """Whether ``data`` starts with one whole character of more than ``inside`` bytes."""
    for length in range(inside + 1, len(data) + 1):
        try:
            return len(data[:length].decode("utf-8")) == 1
        except UnicodeDecodeError:
            continue
    return False
