"""What the rest of a function says of a line that is missing in it, and what a line does."""

from __future__ import annotations

import pytest

from codemtl.syntax.definitions import functions
from codemtl.syntax.missing_line import MissingLine, line_facts
from codemtl.syntax.tree import parse

HOLE = "HERE"


def place(source: str, function: int = 0) -> MissingLine:
    tree = parse(source.encode())
    found = functions(tree)[function]
    return MissingLine(tree, found, source.encode().index(HOLE.encode()), HOLE)


def test_names_that_are_bound_and_not_read_or_read_and_not_bound_are_told() -> None:
    found = place(
        "def area(self, width: Metres, height, *, _unit, name='ß'):\n"
        "    started = now()\n    HERE\n"
        "    for row in rows:\n        print(name, size)\n    return convert(size)\n"
    )
    assert found.unread == {"width", "height", "started"}
    assert found.wanted == {"now", "rows", "size", "convert"}
    assert [*found.read_below] == ["rows", "print", "name", "size", "convert"]
    assert found.wanted_below() == ["rows", "size"]
    assert place("def f():\n    HERE\n    return a + b + c + d\n").wanted_below() == []
    assert found.defined("width") and found.defined("size") and found.defined("print")
    assert not found.defined("depth") and not found.defined("row_of")


def test_what_stands_around_is_told() -> None:
    found = place(
        "def f(a):\n    '''Not a line.'''\n    if a:\n        g( a )  # why\n        HERE\n"
        "        # last\n    h('text', 'x')\n"
    )
    assert found.beside == {"g(a)", "h('text','x')"}
    assert found.last
    assert "'text'" in found.strings and "'x'" not in found.strings
    assert {"why", "text", "HERE"} <= found.words
    before = place("def f(a):\n    HERE\n    return a\n")
    assert not before.last and before.beside == {"returna"}
    block = place("def f(a):\n    if HERE:\n        g(a)\n    return a\n")
    assert not block.last and block.beside == {"g(a)"}


def test_a_function_inside_another_is_told_of_its_own_names() -> None:
    found = place("def f(a):\n    def g(b):\n        HERE\n    return g\n", 1)
    assert found.unread == {"b"}
    assert found.defined("a")


@pytest.mark.parametrize(
    ("text", "kind", "reads", "binds"),
    [
        ("total = total + step", "assignment", {"total", "step"}, {"total"}),
        ("total += step", "augmented_assignment", {"total", "step"}, {"total"}),
        ("self.total = f(key=value)", "assignment", {"self", "f", "value"}, set()),
        ("return [row for row in rows]", "return", {"rows"}, set()),
        ("keys = sorted(xs, key=lambda x: x.y)", "assignment", {"sorted", "xs"}, {"keys"}),
        ("for a, b in pairs:", "for", {"pairs"}, {"a", "b"}),
        ("with open(path) as file:", "with", {"open", "path"}, {"file"}),
        ("elif name in known:", "elif", {"name", "known"}, set()),
        ("except ValueError as error:", "except", {"ValueError"}, {"error"}),
        ("else:", "else", set(), set()),
        ("  raise", "raise", set(), set()),
        ("f(x)", "call", {"f", "x"}, set()),
        ("import os.path", "import", set(), {"os"}),
        (")(", "", set(), set()),
        ("", "", set(), set()),
    ],
)
def test_what_a_line_does(text: str, kind: str, reads: set[str], binds: set[str]) -> None:
    found = line_facts(text)
    assert (found.kind, set(found.reads), set(found.binds)) == (kind, reads, binds)


def test_words_and_strings_of_a_line() -> None:
    found = line_facts("elif self.kind == 'a b' or x is None:")
    assert found.words == {"elif", "self", "kind", "a", "b", "or", "x", "is", "None"}
    assert found.strings == {"'a b'"}
    assert found.text == "elifself.kind=='ab'orxisNone:"
