"""Offsets, lines and columns agree in both directions, and with an editor's units."""

from __future__ import annotations

import random

import pytest

from codemtl.errors import SourceError
from codemtl.syntax.positions import Positions

TEXT = "a = 'é😀'\r\nb = 1\rc = 2\n\n"
_GENERATOR = random.Random(0)
RANDOM_TEXTS = [
    "".join(_GENERATOR.choices("ab é😀\r\n\u2028\x0c\u0301", k=_GENERATOR.randrange(60)))
    for _ in range(300)
]


def test_lines_end_as_python_has_it() -> None:
    positions = Positions(TEXT.encode())
    assert positions.line_count == 5
    assert positions.line_column(TEXT.encode().index(b"b =")) == (2, 0)
    assert positions.line_column(TEXT.encode().index(b"c =")) == (3, 0)
    assert positions.line_column(len(TEXT.encode())) == (5, 0)


def test_columns_of_an_emoji() -> None:
    data = TEXT.encode()
    quote = data.index(b"'\r")
    assert Positions(data).line_column(quote) == (1, 7)  # code points
    assert Positions(data).units(quote, "utf-16") == (0, 8)  # the emoji is two units
    assert Positions(data).offset(1, 7) == quote


@pytest.mark.parametrize("inside", [1, 2, 3])
def test_offset_inside_a_character(inside: int) -> None:
    assert Positions("x😀y".encode()).line_column(1 + inside) == (1, 1)


def test_between_carriage_return_and_line_feed() -> None:
    assert Positions(b"ab\r\ncd").line_column(3) == (1, 2)
    assert Positions(b"ab\r\ncd").line_column(4) == (2, 0)


def test_column_past_the_end_of_a_line() -> None:
    assert Positions(b"ab\r\ncd").offset(1, 99) == 2


def test_bytes_that_are_not_utf8_count_one_column_each() -> None:
    positions = Positions(b"\xff\x80x")
    assert [positions.line_column(offset)[1] for offset in range(4)] == [0, 1, 2, 3]
    assert [positions.offset(1, column) for column in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("offset", [-1, 4])
def test_offset_out_of_range(offset: int) -> None:
    with pytest.raises(SourceError, match="outside the text of 3 bytes"):
        Positions(b"abc").line_column(offset)


@pytest.mark.parametrize(("line", "column"), [(0, 0), (3, 0), (1, -1)])
def test_no_such_line(line: int, column: int) -> None:
    with pytest.raises(SourceError, match="2 lines"):
        Positions(b"a\nb").offset(line, column)


def test_round_trip() -> None:
    for text in RANDOM_TEXTS:
        _check_round_trip(text)


def _check_round_trip(text: str) -> None:
    data = text.encode()
    positions = Positions(data)
    offset = 0
    for index, char in enumerate(text):
        between = char == "\n" and index > 0 and text[index - 1] == "\r"
        if not between:  # the middle of a line end is shown as its start
            assert positions.offset(*positions.line_column(offset)) == offset
        offset += len(char.encode())
    assert positions.offset(*positions.line_column(offset)) == offset


def test_against_python_own_line_splitting() -> None:
    for text in RANDOM_TEXTS:
        _check_lines(text)


def _check_lines(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    positions = Positions(text.encode())
    assert positions.line_count == len(lines)
    for number, line in enumerate(lines, 1):
        end = positions.offset(number, len(line))
        assert positions.line_column(end) == (number, len(line))
        units = len(line.encode("utf-16-le")) // 2
        assert positions.units(end, "utf-16") == (number - 1, units)
