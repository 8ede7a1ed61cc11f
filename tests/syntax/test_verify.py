"""Edits whose result is not sound are refused."""

from __future__ import annotations

import pytest

from codemtl.errors import EditError
from codemtl.syntax.edits import Edit
from codemtl.syntax.tree import parse
from codemtl.syntax.verify import compile_error, verify

GOOD = b"def f(a, b):\n    if a < b:\n        return a\n    return b\n"


def _edit(data: bytes, old: str, new: str) -> Edit:
    start = data.index(old.encode())
    return Edit(start, start + len(old.encode()), new)


def test_sound_edit() -> None:
    assert verify(parse(GOOD), [_edit(GOOD, "<", "<=")]) == GOOD.replace(b"<", b"<=")


def test_several_edits_at_once() -> None:
    edits = [_edit(GOOD, "return b", "return a"), _edit(GOOD, "<", ">")]
    new = GOOD.replace(b"return b", b"return a").replace(b"<", b">")
    assert verify(parse(GOOD), edits) == new


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<", "< <", "breaks the syntax"),
        ("a, b)", "a, b", "breaks the syntax"),
        ("        return a", "  return a", "syntax|compile"),
        ("a, b)", "a, a)", "would not compile"),  # a duplicate parameter parses
        ("return b", "return b; break", "would not compile"),
        ("return b", "await b", "would not compile"),
        ("return b", "f() = 1", "syntax|compile"),
        ("return b", "return b\0", "syntax|compile"),
        ("<", "<", "changes nothing"),
    ],
)
def test_unsound_edit(old: str, new: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        verify(parse(GOOD), [_edit(GOOD, old, new)])


def test_overlap() -> None:
    with pytest.raises(EditError, match="overlap"):
        verify(parse(GOOD), [Edit(0, 3, "def"), Edit(1, 4, "")])


def test_broken_file_may_be_edited_where_it_is_good() -> None:
    data = b"x = = (\n\n\n" + GOOD
    assert verify(parse(data), [_edit(data, "<", ">")]) == data.replace(b"<", b">")
    with pytest.raises(EditError, match="breaks the syntax"):
        verify(parse(data), [_edit(data, "return b", "return (b]")])


def test_file_that_does_not_compile_may_be_edited() -> None:
    data = b"return 1 < 2\n"
    assert compile_error(data) is not None
    assert verify(parse(data), [_edit(data, "<", ">")]) == b"return 1 > 2\n"


def test_crlf_and_emoji_outside_stay() -> None:
    data = "x = '😀'\r\n\r\nif x < 1:\r\n\ty = 2\r\n".encode()
    assert verify(parse(data), [_edit(data, "<", ">=")]) == data.replace(b"<", b">=")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x = 1\n", None),
        (b"x = (\n", "line 1"),
        (b"\xff\n", "utf-8"),
        (b"x = 1\0\n", "null"),
        (b"-" * 200_000 + b"1\n", ""),  # too deep for Python's parser
        (b"x = 1 is 1\n'\\d'\n", None),  # a warning is no error
    ],
    ids=["good", "syntax", "encoding", "nul", "deep", "warning"],
)
def test_compile_error(data: bytes, words: str | None) -> None:
    problem = compile_error(data)
    if words is None:
        assert problem is None
    else:
        assert problem is not None and words in problem
