"""Edits after which the same stands twice."""

from __future__ import annotations

import pytest

from codemtl.syntax.repetition import repeats
from codemtl.syntax.tree import parse


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("if HERE == a: pass", True),
        ("if a is not HERE: pass", True),
        ("if b == HERE: pass", False),
        ("if HERE.x == a.x: pass", True),
        ("if HERE.x == a.y: pass", False),
        ("if f(HERE)[1] == f(a)[1]: pass", True),
        ("x = a or HERE", True),
        ("x = a - HERE", True),
        ("x = (a, HERE)", True),
        ("x = [a, b, HERE]", True),
        ("x = b, (HERE, c), a", False),
        ("x = {a: HERE}", False),
        ("f(a, HERE)", False),
        ("a = HERE", True),
        ("a.b = HERE.b", True),
        ("a += HERE", False),
        ("a: int = HERE", True),
        ("x = (b, a) == (b, HERE)", True),
        ("def f(a):\n    return HERE", False),
        ("a, b = HERE, c", False),
    ],
)
def test_the_same_twice(text: str, same: bool) -> None:
    data = text.replace("HERE", "q").encode()
    at = text.index("HERE")
    assert repeats(parse(data), at, at + 1, "a") == same


def test_an_attribute_too() -> None:
    data = b"self.low = self.high\n"
    at = data.index(b"high")
    assert repeats(parse(data), at, at + 4, "low") and not repeats(parse(data), at, at + 4, "mid")
