"""Slips in attributes of self: found, and silence where something else may define them."""

from __future__ import annotations

import pytest

from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

BODY = """
    def __init__(self):
        self.audio_format = 1
        self._index = 2

    def play(self):
        {}
"""


def found(head: str, line: str, before: str = "", after: str = "") -> dict[str, tuple[str, ...]]:
    text = before + head + BODY.format(line) + after
    return {one.name: one.suggestions for one in analyze(parse(text.encode())).undefined_attributes}


@pytest.mark.parametrize("head", ["class A:", "class A(object):"])
def test_a_slip_is_found_with_what_was_meant(head: str) -> None:
    assert found(head, "return self.audio_foramt") == {"audio_foramt": ("audio_format",)}
    assert found(head, "self.plai()") == {"plai": ("play",)}


def test_bases_must_stand_in_the_file() -> None:
    assert found("class A:", "return self.index") == {"index": ("_index",)}
    assert found("class A(Base):", "return self.index") == {}
    assert found("class A(Base):", "return self.audio_foramt") == {}
    base = "class Base:\n    pass\n\n"
    assert found("class A(Base):", "return self.index", before=base) == {"index": ("_index",)}


@pytest.mark.parametrize(
    ("head", "line", "before", "after"),
    [
        ("class A:", "return self.audio_format", "", ""),  # it is there
        ("class A:", "return self.nothing_like_it", "", ""),
        ("class A:", "return self.index + self.index", "", ""),  # twice is no slip
        ("class A:", "return other.index", "", ""),
        ("class A:", "return self.index", "", "A.index = 3\n"),
        ("class A:", "return self.index", "", "register('index')\n"),
        ("class A:", "return self.index", "@decorated\n", ""),
        ("class A(Base):", "return self.index", "class Base:\n    index = 1\n\n", ""),
        ("class A:", "return self.__doc__", "", ""),
        ("class A:", "setattr(self, name, self.index)", "", ""),
    ],
)
def test_silent_where_it_may_be_defined(head: str, line: str, before: str, after: str) -> None:
    assert found(head, line, before, after) == {}


def test_bases_in_a_circle_end() -> None:
    circle = "class A(B):\n    def f(self): return self.x\n\nclass B(A): pass\n"
    assert analyze(parse(circle.encode())).undefined_attributes == []
