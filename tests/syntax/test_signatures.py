"""Which calls cannot be, by what stands in sight."""

from __future__ import annotations

import pytest

from codemtl.syntax.signatures import refuses
from codemtl.syntax.tree import parse

DEFINITIONS = """
import functools
from enum import Enum


def two(a, b):
    pass


def most(a, b=1, *, c, d=2):
    pass


def any_(*args, **kwargs):
    pass


def only(a, /, b):
    pass


@functools.cache
def cached(a):
    pass


@functools.wraps(two)
def wrapped(a):
    pass


class Made:
    def __init__(self, a: int, b: int = 2) -> None:
        pass

    def one(self, a):
        pass

    @staticmethod
    def fixed(a: list[int], *rest: int):
        pass

    @classmethod
    def build(cls, **more):
        pass

    @property
    def prop(self):
        pass


class Inherits(Made):
    pass


class Meta(metaclass=Made):
    def __init__(self, a):
        pass


class New:
    def __new__(cls, *args):
        pass

    def __init__(self, a, b):
        pass


class Either(Made):
    def two(self, a, b, c):
        pass
"""


@pytest.mark.parametrize(
    ("call", "name", "wrong"),
    [
        ("f(x, y)", "two", False),
        ("f(x)", "two", True),
        ("f(x, y, z)", "two", True),
        ("f(x, b=y)", "two", False),
        ("f(x, a=y)", "two", True),
        ("f(x, e=y)", "two", True),
        ("f(x, *y)", "two", False),
        ("f(**y)", "two", False),
        ("f(x for x in y)", "two", True),
        ("f(x,  # why\n  y)", "two", False),
        ("f(x, c=1)", "most", False),
        ("f(x, y, c=1)", "most", False),
        ("f(x, y)", "most", True),
        ("f(x, y, z, c=1)", "most", True),
        ("f(c=1)", "most", True),
        ("f()", "any_", False),
        ("f(x, e=1)", "any_", False),
        ("f(x, b=1)", "only", False),
        ("f(a=x, b=1)", "only", True),
        ("f(x, y, z)", "cached", False),  # a decorator may change it
        ("f(x, y, z)", "wrapped", False),
        ("f(x)", "Made", False),
        ("f()", "Made", True),
        ("f(x, y, z)", "Made", True),
        ("f(x, y, z)", "Inherits", False),
        ("f(x, y, z)", "Meta", False),
        ("f(x)", "New", False),
        ("f(x, y, z)", "unknown", False),
        ("f(x, y, z)", "one", False),  # a method is no name
        ("o.f(x)", "one", False),
        ("o.f()", "one", True),
        ("o.f(self, x)", "one", False),  # of a class
        ("f(self)", "two", True),
        ("o.f(x, y, z)", "fixed", False),
        ("o.f()", "fixed", True),
        ("o.f(x)", "build", True),
        ("o.f(x=1)", "build", False),
        ("o.f(x)", "prop", False),
        ("o.f(x, y)", "two", False),
        ("o.f(x, y, z)", "two", False),  # the method
        ("o.f(x)", "two", True),
        ("f.g(x)", "two", False),  # not called
        ("g(f)", "two", False),
        ("f(x)(y)", "two", True),
        ("f(x", "two", False),  # broken
    ],
)
def test_a_call_that_is_not_accepted(call: str, name: str, wrong: bool) -> None:
    text = f"{DEFINITIONS}\n\n{call}\n".encode()
    at = text.rindex(call.encode()) + (2 if call.startswith("o.") else call.index("f"))
    assert text[at : at + 1] == b"f"
    assert refuses(parse(text), at, at + 1, name) == wrong


def test_files_beside_it_tell_too() -> None:
    text = b"def f(x):\n    return g(x)\n"
    beside = (b"def h(a, b):\n    pass\n", b"")
    at = text.index(b"g(")
    assert not refuses(parse(text), at, at + 1, "h")
    assert refuses(parse(text, beside), at, at + 1, "h")
    more = (*beside, b"class A:\n    pass\n\ndef h(a):\n    pass\n")
    assert not refuses(parse(text, more), at, at + 1, "h"), "one of them accepts it"


def test_what_is_wrong_now_is_no_measure() -> None:
    text = b"def f(a):\n    pass\n\ndef g(a):\n    pass\n\nf(1, 2)\n"
    at = text.index(b"f(1")
    assert not refuses(parse(text), at, at + 1, "g")


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("(a, (b, c))", False),  # Python 2
        ("()", False),
        ("(*)", False),
        ("(self, # here\n a)", False),
        ("(a, *, b)", True),
        ("(a, /)", True),
        ("(a, b: int = 1, *c: int, **d: int)", False),
    ],
)
def test_headers_of_all_kinds_are_read(header: str, wrong: bool) -> None:
    text = f"class A:\n    def m{header}:\n        pass\n\no.f(1)\n".encode()
    at = text.index(b"f(1")
    assert refuses(parse(text), at, at + 1, "m") == wrong
